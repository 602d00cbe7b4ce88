"""The digest that tells `up` whether to deploy."""

from pathlib import Path

import pytest

from sitewright.local.machine.source_digest import PARTS, digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for part in PARTS:
        file = tmp_path / part
        if "." in part:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(part)
        else:
            (file / "deep").mkdir(parents=True)
            (file / "deep" / "module.py").write_text(part)
    return tmp_path


@pytest.mark.parametrize("edited", ["lambdas/deep/module.py", "stacks/deep/module.py", "app.py", "cdk.json"])
def test_every_source_counts(tree: Path, edited: str) -> None:
    before = digest(tree)
    assert digest(tree) == before
    (tree / edited).write_text("another")
    assert digest(tree) != before


def test_names_count_and_bytecode_does_not(tree: Path) -> None:
    before = digest(tree)
    (tree / "lambdas" / "__pycache__").mkdir()
    (tree / "lambdas" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert digest(tree) == before
    (tree / "lambdas" / "deep" / "module.py").rename(tree / "lambdas" / "deep" / "other.py")
    assert digest(tree) != before
