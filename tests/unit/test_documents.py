"""The documents name what exists, and say what the code says."""

import json
import os
import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic.alias_generators import to_camel

from sitewright.cli.main import app
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.messages import Command, Response, ResponseStatus
from sitewright.contracts.site_config import SiteConfig
from tools import error_table

REPO = Path(__file__).parents[2]
DOCS = REPO / "docs"
PAGES = sorted([REPO / "README.md", REPO / "CONTRIBUTING.md", *DOCS.rglob("*.md")])

CODE = re.compile(r"```.*?```|`[^`\n]+`|^ {4,}\S[^\n]*$", re.DOTALL | re.MULTILINE)
SUFFIXES = "py|md|json|txt|toml|js|mermaid"
FILE = re.compile(rf"(?<![\w/.$~:-])((?:[\w.-]+/)*[\w.-]+\.(?:{SUFFIXES}))(?![\w/])")
FOLDER = re.compile(r"`((?:app\.py|\.ci|container|docs|lambdas|sitewright|stacks|tests|tools)(?:/[\w.-]+)*/?)`")
MODULE = re.compile(r"python -m ([\w.]+)")
MAKE = re.compile(r"(?:^ *|`|, then `)make ([a-z][a-z0-9-]*)", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

ELSEWHERE = {"meta.json", "cdk.context.json", "CLAUDE.md", ".claude/CLAUDE.md", "AGENTS.md"}
"""Files of a checkpoint, of the CDK and of a client's repository."""


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(REPO))


def own_files() -> set[str]:
    """Every file of the project by its path: of hidden folders CI's only, and nothing that was installed or built."""
    found: set[str] = set()
    for folder, folders, names in os.walk(REPO):
        shown = [name for name in folders if name == ".ci" or not name.startswith(".")]
        folders[:] = [name for name in shown if name not in {"node_modules", "cdk.out"}]
        found |= {str(Path(folder, name).relative_to(REPO)) for name in names}
    return found


FILES = own_files()
FOLDERS = {str(parent) for file in FILES for parent in Path(file).parents}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_and_folder_that_is_named_exists(page: Path) -> None:
    shown = text(page)
    folders = {found.rstrip("/") for found in FOLDER.findall(shown)}
    assert {found for found in folders if found not in FOLDERS and found not in FILES} == set()
    for code in CODE.findall(shown):
        for found in FILE.findall(code):
            if found in ELSEWHERE or found.startswith((".local/", "src/", "node_modules/")):
                continue
            beside = "/" not in found and any(file.endswith(f"/{found}") for file in FILES)
            assert found in FILES or beside, f"{found} in {code}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_and_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text(REPO / "Makefile"), re.MULTILINE))
    codes = "\n".join(CODE.findall(text(page)))
    assert set(MAKE.findall(codes)) <= targets
    for module in MODULE.findall(codes):
        path = module.replace(".", "/")
        places = {f"{path}.py", f"{path}/__main__.py", f"container/{path}/__main__.py"}
        assert places & FILES, module


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    for link in LINK.findall(re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), link
        if anchor:
            assert anchor in anchors(linked), link


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_line_that_is_shown_is_understood() -> None:
    commands: Any = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {
        name: set(chain.from_iterable(parameter.opts for parameter in command.params))
        for name, command in commands.items()
    }
    for page in PAGES:
        for code in CODE.findall(text(page)):
            for line in re.findall(r"(?:^|[ `/])sitewright ([a-z][^\n`#]*)", code):
                words = re.sub(r"\"[^\"]*\"", "", line).replace("[", "").replace("]", "").split()
                assert words[0] in options, f"{name_of(page)}: sitewright {line}"
                used = {word for word in words if word.startswith("--")}
                assert used <= options[words[0]], f"{name_of(page)}: sitewright {line}"
    everything = text(DOCS / "local-stack.md") + text(DOCS / "operations.md")
    assert all(f"sitewright {name}" in everything for name in options)


def test_every_error_code_has_its_remedy_in_the_documents() -> None:
    page = text(error_table.PAGE)
    assert page == error_table.with_table(page), "run `python -m tools.error_table`"
    assert all(code.value in page and code.remedy in page for code in ErrorCode)


def cells(page: str, heading: str) -> dict[str, list[str]]:
    """A section's rows by the names in code of their first cell."""
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section, heading
    found: dict[str, list[str]] = {}
    for row in re.findall(r"^\| (`.*) \|$", section[1], re.MULTILINE):
        first, *rest = re.split(r" \| ", row)
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", first), rest)
    return found


def test_every_setting_of_a_site_is_documented_with_its_default() -> None:
    rows = cells(text(DOCS / "configuration.md"), "A site")
    assert set(rows) == {to_camel(name) for name in SiteConfig.model_fields}
    for name, field in SiteConfig.model_fields.items():
        told = rows[to_camel(name)][0].strip("`")
        if field.is_required():
            assert told == "required", name
        elif field.default is None:
            assert told in {"none", "from the above"}, name
        else:
            expected = field.default if isinstance(field.default, str) else json.dumps(field.default)
            assert told == expected, name


def test_every_field_of_the_two_messages_is_documented() -> None:
    page = text(DOCS / "messages.md")
    command, response = cells(page, "Command"), cells(page, "Response")
    assert set(command) == {to_camel(name) for name in Command.model_fields}
    assert {to_camel(name) for name in Response.model_fields} <= set(response)
    assert {status.value for status in ResponseStatus} <= set(response)
    for name, field in Command.model_fields.items():
        assert command[to_camel(name)][0] == ("yes" if field.is_required() else "no")


def test_every_variable_of_the_local_stack_is_documented_and_read() -> None:
    rows = cells(text(DOCS / "configuration.md"), "Environment of the local stack")
    documented = {name for name in rows if name.startswith(("SITEWRIGHT_", "ANTHROPIC_"))}
    others = set(re.findall(r"`(SITEWRIGHT_\w+)`", text(DOCS / "configuration.md"))) - documented
    sources = "\n".join(text(REPO / file) for file in FILES if re.match(r"(sitewright/local|tests)/.*\.py$", file))
    read = set(
        re.findall(
            r"(?:environ(?:\.get\(|\[|\.setdefault\(|\.pop\()|_VARIABLE = |AT_MOST = |_LIMIT = )\"((?:SITEWRIGHT|ANTHROPIC)_\w+)\"",
            sources,
        )
    )
    assert read <= documented | others
    assert documented <= read


def test_the_index_lists_every_decision() -> None:
    folder = DOCS / "decisions"
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", text(folder / "README.md"), re.MULTILINE)
    files = sorted(file.name for file in folder.glob("[0-9]*.md"))
    assert [name for _, name in listed] == files
    for title, name in listed:
        assert text(folder / name).startswith(f"# {title}\n")


def test_the_drawing_of_the_folders_is_the_tree() -> None:
    drawing = re.search(r"^## The folders$(.*?)(?=^## )", text(DOCS / "architecture.md"), re.MULTILINE | re.DOTALL)
    assert drawing
    above: list[str] = []
    drawn: set[str] = set()
    for indent, name in re.findall(r"^    ( *)([\w.]+/?)[ ,]", drawing[1], re.MULTILINE):
        above[len(indent) // 2 :] = [name.rstrip("/")]
        path = "/".join(above)
        assert path in (FOLDERS if name.endswith("/") else FILES), path
        drawn.add(path)
    for folder in (".", "lambdas", "container/workspace", "sitewright"):
        below = {
            path for path in FOLDERS - {"."} if str(Path(path).parent) == folder and f"{path}/__init__.py" in FILES
        }
        assert below <= drawn, folder


def test_what_a_newcomer_reads_is_short() -> None:
    assert len(text(REPO / "README.md").splitlines()) <= 130
    assert len(text(DOCS / "architecture.md").splitlines()) <= 150
    glossary = re.search(r"^## Glossary$(.*)", text(DOCS / "architecture.md"), re.MULTILINE | re.DOTALL)
    assert glossary
    assert len(glossary[1].strip().splitlines()) <= 25


def test_the_readme_tells_the_measured_cost() -> None:
    rows = dict(re.findall(r"^\| ([^|]+) \| \*\*\$([0-9.]+)\*\*", text(DOCS / "cost.md"), re.MULTILINE))
    shown = text(REPO / "README.md")
    idle, first = float(rows["A month without a message, one site"]), float(rows["First message of a session"])
    assert f"some ${idle:.2f} a month" in shown
    assert f"first message is some {first * 100:.1f} cents" in shown
    assert float(rows["Following message"]) < 0.005 and "less than half a cent" in shown
