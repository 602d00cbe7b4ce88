"""Ends the orphans of a task: a container's end ends every process in it, the end of a host process does not.

When a task's process dies, its children become children of the ECS service (child subreaper, Linux), whatever their
session or environment. After a killed ECS service, `machine/marked_processes.py` finds them.
"""

import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Collection

import psutil

from sitewright.local.machine.marked_processes import descendants, kill

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 20

SPAWN = threading.Lock()
"""Held while a child starts: before its pid is stored it would be taken for an orphan."""


def become_subreaper() -> bool:
    """Makes orphaned descendants children of this process. False where the system cannot (not Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def kill_orphans(own: Collection[int]) -> int:
    """Kills and reaps this process's children that are not its `own`, and all below them; returns how many.

    Only for a subreaper that starts nothing else: the tasks' processes are its children, and reap their own orphans.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        orphans = [child.pid for child in psutil.Process().children() if child.pid not in own]
        if not orphans:
            break
        for orphan in orphans:
            killed |= kill([orphan, *(process.pid for process in descendants(orphan))])
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(0.01)  # the children of a killed parent become ours only now: look again
    return len(killed)
