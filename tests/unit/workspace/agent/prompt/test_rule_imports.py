"""Which files a file of rules imports."""

import pytest
from workspace.agent.prompt.rule_imports import imports


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("@AGENTS.md", ["AGENTS.md"]),
        ("See @docs/style.md for style, and @./docs/../README.md.", ["docs/style.md", "README.md"]),
        ("- tone @docs/tone\\ of\\ voice.md#heading", ["docs/tone of voice.md"]),
        ("@a.md @a.md", ["a.md"]),
        ("write to me@example.com", []),
        ("`@a.md` and ``@b.md`` stay, @c.md does not", ["c.md"]),
        ("one ` alone, then @a.md", ["a.md"]),
        ("```\n@a.md\n~~~\n@b.md\n```\n@c.md", ["c.md"]),
        ("@/etc/passwd @~/.claude/mine.md @../other/CLAUDE.md", []),
        ("@ @. @.. @./", []),
        ("plain text", []),
    ],
)  # fmt: skip
def test_an_import_is_a_path_of_the_repository(text: str, inside: list[str]) -> None:
    assert imports(text, "CLAUDE.md")[0] == inside


@pytest.mark.parametrize("path", ["/etc/passwd", "~/.claude/mine.md", "../../other/CLAUDE.md"])
def test_an_import_out_of_the_repository_is_told(path: str) -> None:
    assert imports(f"@{path}", "web/CLAUDE.md") == ([], [path])


def test_an_import_is_relative_to_its_file() -> None:
    assert imports("@tone.md @../AGENTS.md", "web/docs/CLAUDE.md") == (["web/docs/tone.md", "web/AGENTS.md"], [])


def test_a_text_of_many_marks_is_read_in_time() -> None:
    lines = ("x" + "`" * 40_000, "x" + "`a" * 20_000, "@" * 40_000, "\\ " * 20_000, "@a " * 10_000)
    assert imports("\n".join(lines), "CLAUDE.md")[0][-1] == "a"
