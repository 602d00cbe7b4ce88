"""A session's world, and a lock around AWS calls.

Unlike DynamoDB's, moto's updates from several threads are not atomic.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber

from tests.support.workspace.runner_world import World, new_world


@pytest.fixture(scope="session", autouse=True)
def _atomic_calls() -> Iterator[None]:
    real, lock = BotocoreStubber.__call__, threading.RLock()

    def one_at_a_time(self: BotocoreStubber, *args: Any, **kwargs: Any) -> Any:
        with lock:
            return real(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BotocoreStubber, "__call__", one_at_a_time)
        yield


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with new_world(tmp_path, monkeypatch) as made:
        yield made
