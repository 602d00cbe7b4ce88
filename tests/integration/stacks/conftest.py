"""Synthesizes the templates of all kinds of site, once in a test run.

jsii starts a Node process when aws_cdk is imported, which takes seconds of a core: only the worker that needs it does so.
"""

import fcntl
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.stacks.synthesized_templates import Template


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests of this folder in one worker: each worker that synthesizes starts a Node process of its own."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("stacks"))


@pytest.fixture(scope="session")
def synthesis() -> ModuleType:
    """The module that makes templates. It is imported here, so a worker that only collects tests does not import it."""
    # CDK's own check of the templates takes most of a synthesis. test_templates runs cfn-lint on them.
    os.environ["CDK_VALIDATION"] = "false"
    from tests.support.stacks import synthesis

    return synthesis


@pytest.fixture(scope="session")
def templates(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, request: pytest.FixtureRequest
) -> dict[str, Template]:
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # of all of pytest-xdist's workers
    return _synthesized_once(folder, request)


def _synthesized_once(folder: Path, request: pytest.FixtureRequest) -> dict[str, Template]:
    found = folder / "templates.json"
    with (folder / "templates.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            made = request.getfixturevalue("synthesis").all_sites(folder / "cdk")
            found.write_text(json.dumps(made))
    templates: dict[str, Template] = json.loads(found.read_text())
    return templates
