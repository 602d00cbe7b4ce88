"""A checkout without a .gitignore: what git leaves out all the same, and line endings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace.repository.checkout import Checkout

from tests.support.publishing.site_world import write
from tests.support.workspace.git_host import serve_git
from tests.support.workspace.guest_world import guest_world
from tests.support.workspace.runner_parts import git, make_checkout, make_remote


def started(folder: Path, files: dict[str, bytes]) -> Iterator[Checkout]:
    """Yields the checkout of a repository with these files and no .gitignore."""
    bare, seed = make_remote(folder / "host"), folder / "host" / "seed"
    git(seed, "rm", "-q", ".gitignore")
    for name, content in files.items():
        (seed / name).parent.mkdir(parents=True, exist_ok=True)
        (seed / name).write_bytes(content)
    git(seed, "-c", "core.autocrlf=false", "add", "-A")
    for name, content in files.items():
        # As a tool that knows no .gitattributes commits it.
        blob = git(seed, "hash-object", "-w", "--no-filters", name)
        git(seed, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        assert content
    git(seed, "commit", "-qm", "Third")
    git(seed, "push", "-q", str(bare), "HEAD:main")
    with serve_git(folder / "host") as host:
        made = make_checkout(folder / "ws", host.url)
        made.clone(timeout=30)
        made.start_branch()
        made.rules.write()
        yield made


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    yield from started(tmp_path, {"build/tool.mjs": b"x\n"})


MADE = ("node_modules/a/i.js", "packages/a/node_modules/b.js", "dist/index.html", "_site/x.html", ".astro/types.d.ts")


def test_packages_outputs_and_caches_are_in_no_commit_answer_or_checkpoint(checkout: Checkout) -> None:
    base = checkout.head()
    write(checkout.site, dict.fromkeys((*MADE, "page.html"), "made"))
    assert checkout.changed_files(base) == ["page.html"]
    snapshot = checkout.tree_snapshot()
    assert "page.html" in git(checkout.site, "ls-tree", "-r", "--name-only", snapshot)
    assert not {*MADE} & set(git(checkout.site, "ls-tree", "-r", "--name-only", snapshot).splitlines())
    assert checkout.commit_all("Edit") and not checkout.is_dirty()
    assert git(checkout.site, "show", "--name-only", "--format=").splitlines() == ["page.html"]
    write(checkout.site, {"node_modules/a/i.js": "changed"})
    assert checkout.commit_all("Nothing") is None


def test_a_folder_with_committed_files_is_a_source(checkout: Checkout) -> None:
    write(checkout.site, {"build/tool.mjs": "edited", "build/new.mjs": "new"})
    assert checkout.changed_files(checkout.head()) == ["build/new.mjs", "build/tool.mjs"]


def test_the_repositorys_own_rules_count_more(checkout: Checkout) -> None:
    write(checkout.site, {".gitignore": "!dist/\n", "dist/index.html": "kept"})
    assert checkout.changed_files(checkout.head()) == [".gitignore", "dist/index.html"]


def test_an_output_that_was_found_is_left_out_too(checkout: Checkout) -> None:
    write(checkout.site, {"website/index.html": "built"})
    assert checkout.is_dirty()
    checkout.rules.leave_out("website")
    assert not checkout.is_dirty()


def test_what_an_installation_made_is_left_out_by_its_name(checkout: Checkout) -> None:
    write(checkout.site, {"src/made/a.css": "x", "made.txt": "x", "src/[x].txt": "x"})
    write(checkout.site / "many", {f"{number}.js": "x" for number in range(201)})
    checkout.rules.leave_out_new()
    assert checkout.rules.made == ("made.txt", "many", "src/made/a.css")
    write(checkout.site, {"src/made/b.css": "an edit"})
    assert checkout.changed_files(checkout.head()) == ["src/[x].txt", "src/made/b.css"]


def test_line_endings_that_contradict_the_attributes_are_no_change(tmp_path: Path) -> None:
    files = {
        "old.txt": b"one\r\ntwo\r\n",
        ".gitattributes": b"* text=auto\n*.bat text eol=crlf\n",
        "run.bat": b"a\nb\n",
    }
    for checkout in started(tmp_path, files):
        base = checkout.head()
        assert (checkout.site / "old.txt").read_bytes() == files["old.txt"]
        for name in files:
            # As after a restore: git reads the contents again.
            (checkout.site / name).write_bytes((checkout.site / name).read_bytes())
        assert not checkout.is_dirty() and checkout.changed_files(base) == [] and checkout.commit_all("None") is None
        (checkout.site / "old.txt").write_bytes(b"one\r\nthree\r\n")
        assert checkout.changed_files(base) == ["old.txt"] and checkout.commit_all("Edit")
        assert git(checkout.site, "diff", "--stat", base, "HEAD").endswith("1 insertion(+), 1 deletion(-)")


def test_what_a_build_changed_is_dropped_but_not_what_git_ignores(checkout: Checkout) -> None:
    write(checkout.site, {"build/tool.mjs": "by the build", "made/deep/x.js": "x", "dist/index.html": "built"})
    (checkout.site / "about.html").unlink()
    checkout.drop_changes(but="made")
    assert (checkout.site / "build/tool.mjs").read_text() == "x\n" and (checkout.site / "about.html").exists()
    assert (checkout.site / "made/deep/x.js").exists() and (checkout.site / "dist/index.html").exists()
    checkout.drop_changes()
    assert not (checkout.site / "made").exists() and not checkout.is_dirty()


def test_the_runner_follows_no_link_in_place_of_the_rules() -> None:
    with guest_world() as world:
        (world.root / "secret").write_text("the runner's")
        (world.root / "secret").chmod(0o600)
        for attack in (
            f"rm -rf .git/info; ln -s {world.root} .git/info",
            f"mkdir -p .git/info; ln -sf {world.root}/secret .git/info/exclude",
            "rm -rf .git/info; mkfifo .git/info",
            "rm -rf .git/info; mkdir -p .git/info/exclude/x",
        ):
            world.attack(attack)
            world.checkout.unblock()
            world.checkout.rules.write()
            assert (world.checkout.site / ".git/info/exclude").stat().st_uid == world.guest.uid
            assert (world.root / "secret").read_text() == "the runner's" and not (world.root / "exclude").exists()
