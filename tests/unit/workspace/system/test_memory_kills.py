"""How many processes the kernel killed for lack of memory, and what an end by a signal is said to come from."""

import signal
from pathlib import Path

import pytest
from workspace.system.children import ChildResult
from workspace.system.memory_kills import memory_kills


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 2\noom_group_kill 0\n"),
        ("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    ],
)
def test_both_versions_of_cgroups_are_read(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "sys/fs/cgroup" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert memory_kills(tmp_path) == 2


def test_a_system_that_does_not_tell_is_unknown(tmp_path: Path) -> None:
    assert memory_kills(tmp_path) is None


def test_a_kill_without_lack_of_memory_is_the_programs_own() -> None:
    cause = ChildResult(-signal.SIGKILL, "", 1.0, out_of_memory=False).cause
    assert "kill -9 -1" in cause and "did not run out of memory" in cause


def test_a_kill_for_lack_of_memory_says_what_to_raise() -> None:
    cause = ChildResult(-signal.SIGKILL, "", 1.0, out_of_memory=True).cause
    assert "memoryMib" in cause and "kill -9 -1" not in cause


def test_a_kill_of_unknown_reason_names_both() -> None:
    cause = ChildResult(-signal.SIGKILL, "", 1.0).cause
    assert "kill -9 -1" in cause and "memory" in cause


def test_an_exit_needs_no_cause() -> None:
    assert ChildResult(1, "", 1.0, out_of_memory=True).cause == ""
