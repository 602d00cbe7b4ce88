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


WORKSPACE_LAYERS = (
    {"errors"},
    {"guest"},
    {"system"},
    {"claim", "credentials"},
    {"repository"},
    {"step_context"},
    {"agent", "build"},
    {"steps"},
    {"lifecycle"},
    {"__main__"},
)
"""The workspace's packages and modules, from the bottom: each imports those further down, and none beside it."""


def test_inside_the_workspace_arrows_go_down() -> None:
    height = {name: number for number, names in enumerate(WORKSPACE_LAYERS) for name in names}
    root = REPO / "container/workspace"
    for file in root.rglob("*.py"):
        own = file.relative_to(root).with_suffix("").parts[0]
        for name in imported(file):
            package, _, rest = name.partition(".")
            other = rest.split(".")[0]
            if package == "workspace" and other not in {"", own} and own != "__init__":
                assert height[other] < height[own], f"{file.relative_to(REPO)} imports {name}"


PRODUCT = ("sitewright", "stacks", "lambdas", "container/workspace", "tools")


def product_modules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in PRODUCT:
        root = (REPO / folder).parent if folder.startswith("container/") else REPO
        for file in (REPO / folder).rglob("*.py"):
            if not {"node_modules", "cdk.out"} & set(file.parts):
                parts = file.relative_to(root).with_suffix("").parts
                found[".".join(parts).removesuffix(".__init__")] = file
    return found


def test_no_module_imports_itself_by_way_of_others() -> None:
    modules = product_modules()
    arrows = {
        name: {part for full in imported(file) if (part := _module_of(full, modules)) and part != name}
        for name, file in modules.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " imports ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(arrows[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in modules:
        visit(name, ())


def _module_of(full: str, modules: dict[str, Path]) -> str | None:
    """The module that `from a.b import c` needs: `a.b.c` if that is one, else `a.b`."""
    return next((name for name in (full, full.rpartition(".")[0]) if name in modules), None)


def test_no_import_is_hidden_in_a_string() -> None:
    for file in product_modules().values():
        text = file.read_text()
        assert "importlib.import_module" not in text and "__import__(" not in text, file.relative_to(REPO)
