"""A stack that belongs to a process: when the owner is gone, the stack ends.

A test run, a benchmark or the demo owns the stacks it starts. Its own clean-up does not happen after SIGKILL, a second
Ctrl-C or the end of a terminal. So a small watcher runs beside the services, outside the owner's process group.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping

from sitewright.local.errors import Interrupted
from sitewright.local.machine.service_environment import service_environment
from sitewright.local.machine.service_processes import ProcessRecord, start_detached, start_time, stop
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

OWNER_VARIABLE = "SITEWRIGHT_STACK_OWNER"
"""The pid of the owner of every stack that `up` starts; unset for a stack that outlives the command."""

POLL_SECONDS = 0.5
_WATCHER = "owner-watcher"


def owner_of(env: Mapping[str, str]) -> ProcessRecord | None:
    """The process that owns new stacks, or None. Raises Interrupted if it is gone."""
    if not env.get(OWNER_VARIABLE):
        return None
    pid = int(env[OWNER_VARIABLE])
    started = start_time(pid)
    if started is None:
        raise Interrupted(f"The owner of this stack (process {pid}) is gone.", "Nothing was started.")
    return ProcessRecord(pid, started)


def watch_owner(home: Home, owner: ProcessRecord) -> None:
    """Starts the watcher of a stack; an older one ends."""
    path = home.run / f"{_WATCHER}.json"
    if before := ProcessRecord.load(path):
        stop([before], 2)
    argv = [sys.executable, "-m", "sitewright.local.stack.watch_owner"]
    argv += ["--home", str(home.root), "--pid", str(owner.pid), "--started", owner.started]
    env, log = service_environment(home, os.environ), home.log / f"{_WATCHER}.log"
    start_detached(argv, env=env, cwd=REPOSITORY_ROOT, log=log).save(path)


def disown(home: Home) -> None:
    """Ends the watcher: the stack outlives this process."""
    path = home.run / f"{_WATCHER}.json"
    if record := ProcessRecord.load(path):
        stop([record], 2)
        path.unlink(missing_ok=True)


def wait_until_gone(owner: ProcessRecord) -> None:
    """Returns when the process has ended."""
    while owner.alive:
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def owned_stacks() -> Iterator[None]:
    """Inside the block this process owns the stacks it starts. It ends itself when its own owner is gone."""
    outer = owner_of(os.environ)
    if outer:
        threading.Thread(target=_end_with, args=(outer,), daemon=True).start()
    before = os.environ.get(OWNER_VARIABLE)
    os.environ[OWNER_VARIABLE] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[OWNER_VARIABLE]
        if before is not None:
            os.environ[OWNER_VARIABLE] = before


def _end_with(owner: ProcessRecord) -> None:
    wait_until_gone(owner)
    os.kill(os.getpid(), signal.SIGTERM)
