"""The number of processes that the kernel killed for lack of memory in this container."""

import re
from pathlib import Path

_FILES = ("sys/fs/cgroup/memory.events", "sys/fs/cgroup/memory/memory.oom_control")
"""Of cgroup v2 and v1 (kernel documentation, cgroup-v2.rst and cgroup-v1/memory.rst). A host's root group has neither."""


def memory_kills(system: Path = Path("/")) -> int | None:
    """Returns the count since the container's start; None if the system does not tell."""
    for name in _FILES:
        try:
            found = re.search(r"^oom_kill (\d+)$", (system / name).read_text(), re.MULTILINE)
        except OSError:
            continue
        if found:
            return int(found[1])
    return None
