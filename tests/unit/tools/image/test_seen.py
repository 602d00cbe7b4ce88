"""CI runs the tests in containers once per change of what decides them."""

from pathlib import Path

import pytest

from tools.image import seen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in (*seen.PARTS, ".ci"):
        folder = tmp_path / part
        if not part.startswith(".docker"):
            folder.mkdir(parents=True)
    (tmp_path / ".dockerignore").write_text("*\n")
    (tmp_path / "container/Dockerfile").write_text("FROM debian\n")
    return tmp_path


def passes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seen.main([], root) == 0
    digest = capsys.readouterr().out.strip()
    assert seen.main(["--record", digest], root) == 0


def test_nothing_is_seen_before_the_tests_have_passed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seen.main(["--check"], root) == 1
    passes(root, capsys)
    assert seen.main(["--check"], root) == 0


@pytest.mark.parametrize("part", seen.PARTS)
def test_a_change_of_any_part_is_not_seen(root: Path, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    passes(root, capsys)
    changed = root / part
    (changed / "new.py" if changed.is_dir() else changed).write_text("changed\n")
    assert seen.main(["--check"], root) == 1


def test_a_change_while_the_tests_run_is_not_seen(root: Path) -> None:
    begun = seen.present(root)
    (root / "container/Dockerfile").write_text("FROM scratch\n")
    seen.record(root, begun)
    assert not seen.seen(root)


def test_every_part_exists() -> None:
    assert [part for part in seen.PARTS if not (seen.ROOT / part).exists()] == []
