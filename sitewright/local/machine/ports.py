"""Chooses loopback ports: the preferred ones, or others if those are in use."""

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

LOOPBACK = "127.0.0.1"

PREFERRED = {"emulator": 4666, "git-host": 4667, "ecs": 4668, "demo-model": 4669}
"""Ports of the services; a site's port is the next free one from SITE_PORT on."""

SITE_PORT = 4670


@contextlib.contextmanager
def choosing() -> Iterator[None]:
    """Locks the choice of ports until servers listen on them. Two stacks that start together would choose the same."""
    with (Path(tempfile.gettempdir()) / f"sitewright-ports-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT is free. A listener on 0.0.0.0 still refuses us on Linux; macOS lets a more
        # specific address in, which the connection below finds out.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) != 0


def choose_port(preferred: int, reserved: Collection[int]) -> int:
    """The preferred port if it is free and not reserved, else one that the system gives."""
    if preferred not in reserved and is_free(preferred):
        return preferred
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in reserved:
            return port
