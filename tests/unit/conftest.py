"""Unit tests run in their own process alone: one that starts a process or serves a port fails, and belongs in tests/integration."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FORBIDDEN = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "pty.spawn",
    "socket.bind",
    "subprocess.Popen",
}
"""Python's own audit events (https://docs.python.org/3/library/audit_events.html)."""

_running = False
_seen: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _running and event in FORBIDDEN:
        _seen.append(f"{event}{arguments[:2]}"[:300])
        raise AssertionError(f"a unit test starts no process and serves no port: {_seen[-1]}")


sys.addaudithook(_audit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watches the fixtures of any scope too. Pytest calls this for tests of other folders as well."""
    global _running  # noqa: PLW0603 - an audit hook cannot be taken away
    _running = Path(__file__).parent in item.path.parents
    try:
        return (yield)
    finally:
        _running = False


@pytest.fixture(autouse=True)
def _nothing_was_started() -> Iterator[None]:
    """Fails the test that caught the hook's error too."""
    _seen.clear()
    yield
    assert not _seen
