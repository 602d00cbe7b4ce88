"""A session's world, a site that npm builds, and a lock around AWS calls.

Unlike DynamoDB's, moto's updates from several threads are not atomic.
"""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from tests.support.publishing.site_world import Site, make_site
from tests.support.workspace import small_npm as small_npm_program
from tests.support.workspace.npm_site import SITE
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


@pytest.fixture(scope="session")
def small_npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("small-npm") / "npm"
    program.write_text(f"#!{sys.executable} -IS\n{Path(small_npm_program.__file__).read_text()}")
    program.chmod(0o755)
    return program.parent


@pytest.fixture
def small_npm(small_npm_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the double into PATH. For tests to which npm is a means."""
    monkeypatch.setenv("PATH", f"{small_npm_folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def made(tmp_path: Path, small_npm: None) -> Iterator[Site]:
    with mock_aws():
        yield make_site(tmp_path, SITE)


@pytest.fixture
def made_for_npm(tmp_path: Path) -> Iterator[Site]:
    """The same site, with real npm."""
    with mock_aws():
        yield make_site(tmp_path, SITE)
