"""The orphans of a task: a container's end ends every process in it, a host process's end does not.

What the task's own process started becomes the data plane's child when that process dies (child subreaper, Linux),
whatever session or environment it has. The net below this one is local/strays.py: after a data plane that was killed.
"""

import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

from sitewright.local.machine.marked_processes import kill

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 20

SPAWN = threading.Lock()
"""Held while a child starts: one that nobody has written down yet would be taken for an orphan."""


def become_subreaper() -> bool:
    """Makes orphaned descendants children of this process. False where the system cannot (not Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def kill_orphans(own: Collection[int]) -> int:
    """Kills and reaps this process's children that are not its `own`, and all below them; gives how many.

    Only for a subreaper that starts nothing else: the tasks' processes are its children, and reap their own orphans.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        orphans = [pid for pid in _children(os.getpid()) if pid not in own]
        if not orphans:
            break
        for orphan in orphans:
            killed |= kill([orphan, *_descendants(orphan)])
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(0.01)  # a killed parent's children become ours only now: look again
    return len(killed)


def _children(pid: int) -> list[int]:
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in tasks.read_text().split()]
    return found


def _descendants(pid: int) -> list[int]:
    below = []
    for child in _children(pid):
        below += [child, *_descendants(child)]
    return below
