"""Process records: an identity that survives the reuse of a pid, and a stop that reaches the whole group."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sitewright.local.machine.ports import choose_port
from sitewright.local.machine.service_processes import ProcessRecord, run_group, start_detached, start_time, stop, tail
from sitewright.local.machine.stack_home import Home, write_private

CHILD = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def begin(code: str, tmp_path: Path) -> tuple[ProcessRecord, str]:
    log = tmp_path / "log"
    record = start_detached([sys.executable, "-c", code], env={"PATH": os.environ["PATH"]}, cwd=tmp_path, log=log)
    for _ in range(500):
        if tail(log):
            return record, tail(log)
        time.sleep(0.02)
    raise AssertionError("the program did not start")


def test_stop_ends_the_children_too(tmp_path: Path) -> None:
    record, said = begin(CHILD, tmp_path)
    assert record.alive
    stop([record], 5)
    assert not record.alive
    deadline = time.monotonic() + 5
    while start_time(int(said)) is not None:
        assert time.monotonic() < deadline, "the child outlived its group's stop"
        time.sleep(0.02)


def test_stop_kills_what_ignores_sigterm(tmp_path: Path) -> None:
    record, _ = begin(STUBBORN, tmp_path)
    stop([record], 0.2)
    assert not record.alive


def test_another_process_with_the_pid_is_left_alone(tmp_path: Path) -> None:
    record, _ = begin(CHILD, tmp_path)
    stale = ProcessRecord(record.pid, "another time")
    stop([stale], 0.2)
    assert not stale.alive
    assert record.alive
    stop([record], 5)


def test_records_survive_the_disk_and_a_torn_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    record = ProcessRecord(1, "x", "arn:of:a:task")
    record.save(path)
    assert ProcessRecord.load(path) == record
    path.write_text('{"pid": 1,')
    assert ProcessRecord.load(path) is None
    assert ProcessRecord.load(tmp_path / "none.json") is None


def test_private_files_are_their_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    write_private(home.token_file, "secret")
    assert home.token_file.stat().st_mode & 0o777 == 0o600
    assert home.root.stat().st_mode & 0o777 == 0o700


def test_a_reserved_port_is_not_chosen() -> None:
    port = choose_port(0, ())
    assert choose_port(port, {port}) != port


@pytest.mark.parametrize("grace", [None, 10.0, 0.2])
def test_what_is_interrupted_ends_with_all_that_it_started(tmp_path: Path, grace: float | None) -> None:
    ends = "exit 0" if grace == 10.0 else ""
    script = f"trap 'echo told > told; {ends}' TERM; sleep 600 & echo $! > child; while :; do sleep 0.01; done"

    def interrupt(*_: object) -> None:
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with (tmp_path / "log").open("wb") as output, pytest.raises(KeyboardInterrupt):
            run_group(["bash", "-c", script], cwd=tmp_path, env=dict(os.environ), output=output, grace=grace)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 5
    while start_time(child) is not None:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert (tmp_path / "told").exists() == (grace is not None)


def test_a_programs_exit_code_and_output(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as output:
        assert run_group(["bash", "-c", "echo a; echo b >&2; exit 3"], cwd=tmp_path, env={}, output=output) == 3
    assert (tmp_path / "log").read_text() == "a\nb\n"
