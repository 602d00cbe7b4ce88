"""The lock of a stack: one `up` or `down` at a time."""

import contextlib
import fcntl
from collections.abc import Iterator

from sitewright.local.machine.service_processes import ProcessRecord
from sitewright.local.machine.stack_home import Home
from sitewright.local.progress import Report


@contextlib.contextmanager
def stack_lock(home: Home, report: Report) -> Iterator[None]:
    """Waits for the lock and records its owner. Makes the folders of the home."""
    home.create()
    with home.lock_file.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another `up` or `down` of this stack")
            fcntl.flock(file, fcntl.LOCK_EX)
        ProcessRecord.of_this_process().save(home.lock_owner)
        try:
            yield
        finally:
            home.lock_owner.unlink(missing_ok=True)
