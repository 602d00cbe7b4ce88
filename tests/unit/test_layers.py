"""Who may import whom."""

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
OURS = {"contracts", "stacks", "lambdas", "workspace", "local", "cli"}
ALLOWED = {
    "contracts": {"contracts"},
    "stacks": {"contracts", "stacks"},
    "lambdas": {"contracts", "lambdas"},
    "container/workspace": {"contracts", "workspace"},
    "local": {"contracts", "local"},
    "cli": {"contracts", "local", "cli"},
}
ALSO = {"cli/": ("workspace.publish",), "local/bench/publishing/ours.py": ("workspace",)}
"""Parts of other packages: a rollback is a publish; the benchmark measures the container's code in a process of its own."""


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_package_imports_only_what_it_may(folder: str) -> None:
    files = [f for f in (REPO / folder).rglob("*.py") if "node_modules" not in f.parts]
    assert files
    for file in files:
        place = file.relative_to(REPO).as_posix()
        also = [part for prefix, parts in ALSO.items() if place.startswith(prefix) for part in parts]
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if any(name == part or name.startswith(f"{part}.") for part in also):
                    continue
                top = name.split(".")[0]
                assert top not in OURS - ALLOWED[folder], f"{file.relative_to(REPO)} imports {name}"
