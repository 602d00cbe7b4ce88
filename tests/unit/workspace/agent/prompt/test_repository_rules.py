"""The repository's own rules, as they reach the agent."""

import os
from pathlib import Path

import pytest
from workspace.agent.prompt.repository_rules import DEPTH, FILES, TOTAL_BYTES, Rules, repository_rules


def site_of(root: Path, **files: str) -> Path:
    """A checkout with these files; `__` in a name stands for a slash."""
    site = root / "site"
    for name, text in files.items():
        write(site, name.replace("__", "/") + ".md", text)
    site.mkdir(exist_ok=True)
    return site


def write(site: Path, name: str, text: str) -> None:
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text(text)


def rules(site: Path) -> Rules:
    found = (path.relative_to(site).as_posix() for path in sorted(site.rglob("*.md")))
    return repository_rules(
        site, [name for name in found if name.endswith(("CLAUDE.md", "AGENTS.md")) or "rules/" in name]
    )


def order(text: str, *parts: str) -> bool:
    places = [text.index(part) for part in parts]
    return places == sorted(places)


def test_no_rules_are_no_text(tmp_path: Path) -> None:
    assert rules(site_of(tmp_path, README="Hello", CLAUDE="")) == Rules()


def test_all_kinds_of_rules_reach_the_agent_the_whole_repositorys_first(tmp_path: Path) -> None:
    site = site_of(tmp_path, CLAUDE="Root", AGENTS="Agents", web__CLAUDE="Web", web__docs__AGENTS="Deep")
    write(site, ".claude/rules/style.md", "Style")
    write(site, ".claude/rules/css/names.md", "Names")
    text = rules(site).text
    assert order(text, "Root", "Agents", "Names", "Style", "Web", "Deep")
    assert "Rules for the files below web/docs/ (web/docs/AGENTS.md):\n\nDeep" in text


def test_an_import_follows_its_file_and_is_there_once(tmp_path: Path) -> None:
    site = site_of(
        tmp_path, CLAUDE="Root @AGENTS.md @docs/a.md", AGENTS="Agents @docs/a.md", docs__a="Tone @../CLAUDE.md"
    )
    text = rules(site).text
    assert order(text, "Root", "AGENTS.md, which CLAUDE.md imports", "docs/a.md, which AGENTS.md imports")
    assert text.count("Tone") == text.count("Agents @") == text.count("Root @") == 1


def test_imports_of_imports_end(tmp_path: Path) -> None:
    site = site_of(tmp_path, CLAUDE="@0.md", **{str(n): f"level {n} @{n + 1}.md" for n in range(10)})
    text = rules(site).text
    assert f"level {DEPTH - 1}" in text and f"level {DEPTH} " not in text


def test_a_copy_is_not_repeated(tmp_path: Path) -> None:
    assert rules(site_of(tmp_path, CLAUDE="Same", AGENTS="Same\n")).text.count("Same") == 1


def test_a_link_is_followed_in_the_checkout_only(tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("confidential")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "CLAUDE.md").write_text("confidential too")
    site = site_of(tmp_path, AGENTS="Agents @docs/link.md @folder/CLAUDE.md @out.md", docs__real="Real")
    (site / "CLAUDE.md").symlink_to("AGENTS.md")
    (site / "docs" / "link.md").symlink_to("../docs/real.md")
    (site / "out.md").symlink_to("../outside.md")
    (site / "folder").symlink_to(tmp_path / "other")
    (site / "web").mkdir()
    (site / "web" / "CLAUDE.md").symlink_to(tmp_path / "outside.md")
    (site / "web" / "AGENTS.md").symlink_to("AGENTS.md")
    found = rules(site)
    assert "confidential" not in found.text
    assert found.text.count("Agents @") == 1 and "Real" in found.text
    assert [told.partition(" -> ")[0] for told in found.outside] == ["out.md", "web/CLAUDE.md"]


@pytest.mark.parametrize("name", ["/etc/passwd", "~/.bashrc", "../outside.md"])
def test_an_import_out_of_the_checkout_is_not_read_and_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.md").write_text("confidential")
    found = rules(site_of(tmp_path, CLAUDE=f"Root @{name}"))
    assert "confidential" not in found.text and found.outside == [name]


def test_rules_beyond_the_limit_are_cut_and_named(tmp_path: Path) -> None:
    lines = "\n".join(f"Rule {n} of many." for n in range(10_000))
    site = site_of(tmp_path, CLAUDE="First. @long.md", long=lines[:100_000], AGENTS="Agents")
    write(site, "web/CLAUDE.md", "Web")
    write(site, "huge/CLAUDE.md", "x" * 300_000)
    found = rules(site)
    assert len(found.text.encode()) < TOTAL_BYTES + 1_000
    assert order(
        found.text, "First.", "Rule 0 of many.", "(The rest of long.md is left out here.)", "too long to stand"
    )
    assert "many.\n(The rest" in found.text, "a rule is cut in two"
    assert found.cut == ["long.md", "AGENTS.md", "huge/CLAUDE.md", "web/CLAUDE.md"]
    assert all(f"\n- {name}" in found.text for name in found.cut)


def test_a_checkout_full_of_rules_costs_no_more_than_the_limit(tmp_path: Path) -> None:
    site = site_of(tmp_path, CLAUDE="Root")
    for number in range(FILES + 20):
        write(site, f"{number:03}/CLAUDE.md", f"Rule of {number}")
    found = rules(site)
    # Three of the places are tried for rules of the whole repository, and two are empty.
    assert "Rule of 50" in found.text and len(found.cut) == 23
    assert "- and " not in found.text


def test_packages_rules_are_nobodys(tmp_path: Path) -> None:
    site = site_of(tmp_path, CLAUDE="Root")
    write(site, "node_modules/kit/AGENTS.md", "Kit")
    write(site, "web/node_modules/kit/CLAUDE.md", "Kit")
    assert "Kit" not in rules(site).text


def test_what_is_no_text_is_no_rule(tmp_path: Path) -> None:
    site = site_of(tmp_path, CLAUDE="Root @picture.png @pipe @folder")
    (site / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    os.mkfifo(site / "pipe")
    (site / "folder").mkdir()
    assert repository_rules(site, ["a\udcff/CLAUDE.md", "a\nb/CLAUDE.md"]).text.count("\n") == 2
