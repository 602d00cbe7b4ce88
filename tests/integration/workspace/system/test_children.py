"""The signal ladder with children that ignore signals, grandchildren, and processes in a session of their own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workspace.errors import StepStopped, StopReason
from workspace.system import processes
from workspace.system.children import ProcessChildren
from workspace.system.stop import Stop

ENV = {"PATH": os.environ["PATH"]}
FAST = ((signal.SIGINT, 0.5), (signal.SIGTERM, 0.5), (signal.SIGKILL, 2.0))


@pytest.fixture(autouse=True)
def _subreaper() -> None:
    if not processes.become_subreaper():
        pytest.skip("needs Linux")


def children(stop: Stop | None = None) -> ProcessChildren:
    return ProcessChildren(stop or Stop(), lambda *_, **__: None, ladder=FAST)


def script(folder: Path, text: str) -> list[str]:
    path = folder / f"child-{time.monotonic_ns()}.py"
    path.write_text(text)
    return [sys.executable, "-IS", str(path)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stop_when(stop: Stop, ready: Callable[[], bool]) -> threading.Thread:
    def wait() -> None:
        while not ready():
            time.sleep(0.02)
        stop.add(StopReason.INTERRUPT)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_lines_exit_code_and_environment(tmp_path: Path) -> None:
    lines: list[str] = []
    argv = script(
        tmp_path,
        "import os, sys; print(sys.stdin.read()); print('err', file=sys.stderr, flush=True);"
        "print(sorted(os.environ)); print('no newline', end=''); sys.exit(3)",
    )
    result = children().run(
        argv, cwd=tmp_path, env={"ONLY": "this"}, timeout=10, stdin="Grüße 🎉", on_line=lines.append
    )
    assert result.returncode == 3
    assert "Grüße 🎉" in lines and "err" in lines and "no newline" in lines
    assert any("'ONLY'" in line and "PATH" not in line for line in lines)
    assert result.tail.endswith("no newline")


def test_output_is_bounded_in_the_tail_only(tmp_path: Path) -> None:
    seen: list[int] = []
    argv = script(tmp_path, "print('x' * 3_000_000); print('y' * 10)")
    result = children().run(argv, cwd=tmp_path, env=ENV, timeout=20, on_line=lambda line: seen.append(len(line)))
    assert seen == [3_000_000, 10]
    assert len(result.tail) <= 8_000 and result.tail.endswith("y" * 10)


def test_an_interrupt_gives_the_child_time_and_its_last_lines_arrive(tmp_path: Path) -> None:
    lines: list[str] = []
    argv = script(
        tmp_path,
        "import signal, sys, time\n"
        "def bye(*_):\n    print('flushed', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, bye); print('ready', flush=True); time.sleep(60)\n",
    )
    stop = Stop()
    stop_when(stop, lambda: "ready" in lines)
    with pytest.raises(StepStopped) as caught:
        children(stop).run(argv, cwd=tmp_path, env=ENV, timeout=30, on_line=lines.append)
    assert caught.value.reason is StopReason.INTERRUPT
    assert lines == ["ready", "flushed"]


def test_grandchildren_that_ignore_signals_or_left_the_session_die(tmp_path: Path) -> None:
    pids: list[int] = []
    argv = script(
        tmp_path,
        "import os, signal, sys, time\n"
        "def forever(leave):\n"
        "    if os.fork():\n        return\n"
        "    if leave:\n        os.setsid()\n        if os.fork(): os._exit(0)\n"
        "    for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        "    print(os.getpid(), flush=True)\n"
        "    while True: time.sleep(60)\n"
        "forever(False); forever(True)\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\n"
        "while True: time.sleep(60)\n",
    )
    stop = Stop()
    stop_when(stop, lambda: len(pids) == 3)
    began = time.monotonic()
    with pytest.raises(StepStopped):
        children(stop).run(argv, cwd=tmp_path, env=ENV, timeout=60, on_line=lambda line: pids.append(int(line)))
    assert time.monotonic() - began < 6
    assert len(pids) == 3
    assert [pid for pid in pids if alive(pid)] == []


def test_processes_that_outlive_a_finished_child_are_killed(tmp_path: Path) -> None:
    pids: list[int] = []
    argv = script(
        tmp_path,
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid(); print(os.getpid(), flush=True); time.sleep(60)\n"
        "if os.fork() == 0:\n    print(os.getpid(), flush=True); time.sleep(60)\n"
        "time.sleep(0.3)\n",
    )
    result = children().run(argv, cwd=tmp_path, env=ENV, timeout=30, on_line=lambda line: pids.append(int(line)))
    assert result.returncode == 0
    assert len(pids) == 2
    assert [pid for pid in pids if alive(pid)] == []


def test_kill_strays_spares_the_runners_own_children(tmp_path: Path) -> None:
    own = processes.start(["sleep", "30"])
    try:
        children().run(["true"], cwd=tmp_path, env=ENV, timeout=10)
        assert own.poll() is None, "a registered child was taken for a stray"
    finally:
        own.kill()
        own.wait()
        processes.forget(own)


def test_a_process_older_than_the_child_is_no_stray(tmp_path: Path) -> None:
    """A library in the runner's process may have started its own helper process. In these tests CDK's kernel is one."""
    library = subprocess.Popen(["sleep", "30"])
    try:
        children().run(["true"], cwd=tmp_path, env=ENV, timeout=10)
        assert library.poll() is None, "a process that the child did not start was killed"
    finally:
        library.kill()
        library.wait()


def test_a_timeout_ends_the_group(tmp_path: Path) -> None:
    pids: list[int] = []
    argv = script(tmp_path, "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    with pytest.raises(TimeoutError):
        children().run(argv, cwd=tmp_path, env=ENV, timeout=0.5, on_line=lambda line: pids.append(int(line)))
    assert not alive(pids[0])


def test_an_error_of_the_callers_line_handler_is_raised_and_the_child_dies(tmp_path: Path) -> None:
    pids: list[int] = []

    def refuse(line: str) -> None:
        pids.append(int(line))
        raise LookupError(line)

    argv = script(tmp_path, "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    with pytest.raises(LookupError):
        children().run(argv, cwd=tmp_path, env=ENV, timeout=30, on_line=refuse)
    assert not alive(pids[0])


def test_nothing_starts_after_a_stop(tmp_path: Path) -> None:
    stop = Stop()
    stop.add(StopReason.TERMINATED)
    with pytest.raises(StepStopped):
        children(stop).run(["touch", "started"], cwd=tmp_path, env=ENV, timeout=5)
    assert not (tmp_path / "started").exists()


def test_precedence_of_reasons() -> None:
    stop = Stop()
    stop.add(StopReason.TOKEN_GONE)
    stop.add(StopReason.INTERRUPT)
    assert stop.reason == "interrupt"
    assert stop.only(StopReason.CLAIM_LOST).reason is None
    stop.add(StopReason.CLAIM_LOST)
    assert stop.reason == "claim_lost"
    with pytest.raises(StepStopped):
        stop.only(StopReason.CLAIM_LOST).sleep(5)
