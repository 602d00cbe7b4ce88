"""A prestarted child: used once, replaced if it died or runs another program, never left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workspace.agent.driver_command import driver_program
from workspace.guest.guest_user import Guest
from workspace.system import processes
from workspace.system.children import ProcessChildren
from workspace.system.prestarted_process import PrestartedProcess, Program
from workspace.system.stop import Stop

from tests.support.workspace.runner_parts import make_settings

ENV = {"PATH": os.environ["PATH"]}
ECHO = "import os, sys; print(os.getpid(), sys.stdin.read().strip())"


def silent(message: str, **values: object) -> None:
    """A log that drops its lines."""


def program(folder: Path, code: str = ECHO) -> Program:
    return Program((sys.executable, "-IS", "-c", code), folder, ENV)


def run(prestarted: PrestartedProcess, wanted: Program, text: str) -> tuple[int, str]:
    children = ProcessChildren(Stop(), silent, prestarted=prestarted)
    done = children.run(wanted.argv, cwd=wanted.cwd, env=wanted.env, timeout=10, stdin=text)
    pid, _, said = done.tail.partition(" ")
    return int(pid), said


def waiting_pid(prestarted: PrestartedProcess) -> int:
    child = prestarted._child
    assert child is not None
    return child.pid


def test_the_waiting_child_does_the_work_and_only_once(tmp_path: Path) -> None:
    prestarted, wanted = PrestartedProcess(silent), program(tmp_path)
    prestarted.start(wanted)
    pid = waiting_pid(prestarted)
    assert run(prestarted, wanted, "first") == (pid, "first")
    second, said = run(prestarted, wanted, "second")
    assert second != pid
    assert said == "second"


def test_starting_again_keeps_the_one_that_waits(tmp_path: Path) -> None:
    prestarted = PrestartedProcess(silent)
    prestarted.start(program(tmp_path))
    pid = waiting_pid(prestarted)
    prestarted.start(program(tmp_path))
    assert waiting_pid(prestarted) == pid
    prestarted.discard()


def test_another_program_gets_a_child_of_its_own_and_the_waiting_one_ends(tmp_path: Path) -> None:
    prestarted = PrestartedProcess(silent)
    prestarted.start(program(tmp_path))
    child = prestarted._child
    assert child is not None
    pid, said = run(prestarted, program(tmp_path, "#\n" + ECHO), "hello")
    assert pid != child.pid
    assert said == "hello"
    assert child.poll() is not None


def test_a_child_that_died_waiting_is_replaced(tmp_path: Path) -> None:
    prestarted, wanted = PrestartedProcess(silent), program(tmp_path)
    prestarted.start(wanted)
    child = prestarted._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    pid, said = run(prestarted, wanted, "still done")
    assert pid != child.pid
    assert said == "still done"


def test_other_children_may_end_while_one_waits(tmp_path: Path) -> None:
    """`kill_strays` spares the waiting child."""
    prestarted, wanted = PrestartedProcess(silent), program(tmp_path)
    prestarted.start(wanted)
    children = ProcessChildren(Stop(), silent, prestarted=prestarted)
    children.run([sys.executable, "-IS", "-c", "print(1)"], cwd=tmp_path, env=ENV, timeout=10)
    pid = waiting_pid(prestarted)
    assert run(prestarted, wanted, "alive")[0] == pid


def test_a_program_that_cannot_start_is_no_error_until_it_is_needed(tmp_path: Path) -> None:
    prestarted, wanted = PrestartedProcess(silent), Program(("/no/such/program",), tmp_path, ENV)
    prestarted.start(wanted)
    with pytest.raises(FileNotFoundError):
        run(prestarted, wanted, "x")


def test_the_driver_ends_silently_if_its_runner_dies(tmp_path: Path) -> None:
    wanted = driver_program(make_settings(tmp_path, "http://127.0.0.1:1/site.git"))
    child = wanted.start_early(Guest())
    try:
        out, _ = child.communicate(b"", timeout=30)
        assert (child.returncode, out) == (0, b"")
    finally:
        processes.forget(child)


def test_discard_ends_the_waiting_child(tmp_path: Path) -> None:
    prestarted = PrestartedProcess(silent)
    prestarted.start(
        program(tmp_path, "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    )
    child = prestarted._child
    assert isinstance(child, subprocess.Popen)
    time.sleep(0.2)
    prestarted.discard()
    assert child.poll() is not None
