"""Synthesizes the templates of all kinds of site, once in a test run.

jsii starts a Node process when aws_cdk is imported, which takes seconds of a core: only the worker that needs it does so.
"""

import fcntl
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

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
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of all of pytest-xdist's workers."""
    folder = tmp_path_factory.getbasetemp()
    return folder if worker_id == "master" else folder.parent


@pytest.fixture(scope="session")
def templates(shared_folder: Path, request: pytest.FixtureRequest) -> dict[str, Template]:
    return _synthesized_once(shared_folder, request)


@pytest.fixture(scope="session")
def stack_properties(shared_folder: Path, templates: dict[str, Template]) -> dict[str, Any]:
    """What the cloud assembly says of each stack beside its template, as `cdk deploy` reads it."""
    artifacts = json.loads((shared_folder / "cdk/manifest.json").read_text())["artifacts"]
    return {name: artifacts[name]["properties"] for name in templates}


@pytest.fixture(scope="session")
def walled(synthesis: Any, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The platform's template with an allow-list of hosts."""
    template: Template = synthesis.platform_with_allow_list(tmp_path_factory.mktemp("walled"), ["fonts.example.org"])
    return template


def _synthesized_once(folder: Path, request: pytest.FixtureRequest) -> dict[str, Template]:
    found = folder / "templates.json"
    with (folder / "templates.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            made = request.getfixturevalue("synthesis").all_sites(folder / "cdk")
            found.write_text(json.dumps(made))
    templates: dict[str, Template] = json.loads(found.read_text())
    return templates
