"""Who may import whom: arrows go down only."""

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]

LIBRARY = {"sitewright.publishing", "sitewright.tables", "sitewright.retry", "sitewright.contracts"}

ALLOWED = {
    "sitewright/contracts": set(),
    "sitewright/tables": {"sitewright.retry", "sitewright.contracts"},
    "sitewright/publishing": {"sitewright.retry", "sitewright.contracts"},
    "sitewright/local": LIBRARY,
    "sitewright/cli": {"sitewright.local", *LIBRARY},
    "stacks": {"sitewright.tables", "sitewright.contracts"},
    "lambdas": LIBRARY,
    "container/workspace": LIBRARY,
    "tools": {"sitewright.local", "workspace", *LIBRARY},
}
"""What of ours each package may import besides itself."""

TOPS = ("sitewright", "stacks", "lambdas", "workspace", "tools")


def own_name(folder: str) -> str:
    return folder.removeprefix("container/").replace("/", ".")


def imported(file: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    # `import sitewright` alone asks for the package's folder: it holds no code.
    return [name for name in names if name.split(".")[0] in TOPS and name != "sitewright"]


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_package_imports_only_what_it_may(folder: str) -> None:
    files = [file for file in (REPO / folder).rglob("*.py") if "node_modules" not in file.parts]
    assert files
    allowed = {own_name(folder), *ALLOWED[folder]}
    for file in files:
        for name in imported(file):
            assert any(name == part or name.startswith(f"{part}.") for part in allowed), (
                f"{file.relative_to(REPO)} imports {name}"
            )
