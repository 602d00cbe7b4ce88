"""The templates of all kinds of site, synthesized once a run: jsii starts a Node process, which takes seconds."""

import fcntl
import json
from pathlib import Path

import pytest

from tests.support.stacks.synthesized_templates import Template, add_all_sites, synthesize


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Template]:
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # of all of pytest-xdist's workers
    return _synthesized_once(folder)


def _synthesized_once(folder: Path) -> dict[str, Template]:
    found = folder / "templates.json"
    with (folder / "templates.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            made = synthesize(folder / "cdk", add_all_sites, workspaceImage="example/workspace:1")
            found.write_text(json.dumps(made))
    templates: dict[str, Template] = json.loads(found.read_text())
    return templates
