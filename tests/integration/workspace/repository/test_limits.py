"""Files that are too large or too many, and transcripts that are no transcripts: told within seconds, the edit kept."""

import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workspace.agent import transcript
from workspace.agent.prompt import conversation_summary
from workspace.agent.prompt.repository_rules import read_rules
from workspace.errors import StepFailed
from workspace.repository.checkpoints import checkpoint_archive, transcript_files
from workspace.step_context import StepContext

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import AgentResult, StepName
from tests.support.workspace.guest_world import GuestWorld, guest_world
from tests.support.workspace.runner_parts import git, read_session
from tests.support.workspace.runner_world import CONVERSATION, World, edit


@pytest.fixture
def guest() -> Iterator[GuestWorld]:
    with guest_world() as made:
        yield made


def agent(attack: Callable[[Path], None]) -> Callable[[StepContext], AgentResult]:
    def run(ctx: StepContext) -> AgentResult:
        attack(ctx.paths.site)
        return edit({"index.html": "edited"})(ctx)

    return run


def sparse(site: Path) -> None:
    with (site / "video.mp4").open("wb") as file:
        file.truncate(5 * 2**30)


def many(site: Path) -> None:
    (site / "src" / "generated").mkdir(parents=True)
    for number in range(10_100):
        (site / "src" / "generated" / f"{number}.txt").touch()
    (site / "src" / "page.astro").write_text("page")


@pytest.mark.parametrize(
    ("attack", "code", "named", "left_out"),
    [
        (sparse, ErrorCode.FILE_TOO_LARGE, "video.mp4", "video.mp4"),
        (many, ErrorCode.TOO_MANY_FILES, "src/generated", "src/generated/7.txt"),
    ],
)
def test_the_step_fails_at_once_and_the_other_edits_are_pushed(
    world: World, attack: Callable[[Path], None], code: ErrorCode, named: str, left_out: str
) -> None:
    world.use(agent=agent(attack))
    began = time.monotonic()
    assert world.step(StepName.AGENT) == 0
    assert time.monotonic() - began < 30
    cause = world.report[1]["cause"]
    assert (cause["code"], named in cause["message"], bool(cause["remedy"])) == (code, True, True)
    assert read_session(world.clients).checkpoint is not None, "the edit is kept"
    assert world.step(StepName.SALVAGE) == 0
    assert world.remote("show", "thread-t1:index.html") == "edited"
    assert left_out not in world.remote("ls-tree", "-r", "--name-only", "thread-t1").splitlines()
    if attack is many:
        assert world.remote("show", "thread-t1:src/page.astro") == "page"


def test_files_that_git_ignores_have_no_limit(guest: GuestWorld) -> None:
    guest.attack("echo cache >> .gitignore; echo '*.bin' >> .gitignore; mkdir cache node_modules")
    guest.attack("cd cache; seq 1 10100 | xargs touch; cd ../node_modules; seq 1 10100 | xargs touch")
    guest.attack("truncate -s 200M big.bin; echo x > x.html")
    assert guest.checkout.changed_files(guest.checkout.head()) == [".gitignore", "x.html"]


def test_node_modules_count_only_where_the_repository_wants_them(guest: GuestWorld) -> None:
    guest.attack("rm .gitignore; mkdir node_modules; cd node_modules; seq 1 10100 | xargs touch")
    assert guest.checkout.changed_files(guest.checkout.head()) == [".gitignore"]
    guest.attack("echo '!node_modules' > .gitignore")
    with pytest.raises(StepFailed, match="node_modules"):
        guest.checkout.changed_files(guest.checkout.head())


def test_a_tracked_file_that_grew_too_large_keeps_its_last_content(guest: GuestWorld) -> None:
    guest.attack("truncate -s 200M about.html; echo x > x.html")
    with pytest.raises(StepFailed, match=r"about\.html"):
        guest.checkout.changed_files(guest.checkout.head())
    assert guest.checkout.commit_all("Edit") is not None
    assert git(guest.checkout.site, "show", "HEAD:about.html") == "<h1>About</h1>"
    assert git(guest.checkout.site, "show", "HEAD:x.html") == "x"


def conversation(guest: GuestWorld, make: str) -> str:
    folder = guest.paths.home / ".claude" / "projects" / transcript.slug(guest.paths.site)
    guest.attack(f"mkdir -p {folder}; cd {folder}; F={CONVERSATION}.jsonl; {make}")
    return CONVERSATION


TRANSCRIPTS = {
    "sparse, of 1 GB": ("truncate -s 1G $F", "more than 64 MiB"),
    "one endless line": ("head -c 40000000 /dev/zero | tr '\\0' '[' > $F", "too long"),
    "deeply nested": ("{ head -c 1000000 /dev/zero | tr '\\0' '['; echo; } > $F", "cannot be read"),
}


@pytest.mark.parametrize(("make", "why"), TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
def test_a_transcript_over_a_limit_is_not_resumed_and_takes_no_memory(guest: GuestWorld, make: str, why: str) -> None:
    name, home, site = conversation(guest, make), guest.paths.home, guest.paths.site
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert transcript.prepare_resume(home, site, name, guest.checkout.git) == name
    assert why in str(transcript.damage(home, site, name))
    assert conversation_summary.recall(home, name, ["Edit the heading"]) == "Commit: Edit the heading"
    transcript_files.saved_files(home)
    assert time.monotonic() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"
    transcript.forget(home, site, name, guest.checkout.git)
    assert transcript_files.newest_conversation(home) is None


@pytest.mark.parametrize("make", ["mkfifo $F", "ln -s /etc/passwd $F", "mkdir $F", "truncate -s 65M $F"])
def test_what_is_no_transcript_is_in_no_checkpoint(guest: GuestWorld, make: str, tmp_path: Path) -> None:
    conversation(guest, make)
    guest.attack(f"echo '{{}}' > {guest.paths.home}/.claude/projects/good.jsonl")
    assert [entry.path for entry in transcript_files.saved_files(guest.paths.home)] == ["good.jsonl"]
    (tmp_path / "bundle").write_bytes(b"x")
    meta = checkpoint_archive.CheckpointMeta(
        generation=1, command_id="c", session_id="s", head="0" * 40, branch=None, default_branch="main"
    )
    checkpoint_archive.write(tmp_path / "a", bundle=tmp_path / "bundle", home=guest.paths.home, meta=meta)
    assert (tmp_path / "a").stat().st_size < 10_000


def test_a_link_in_the_guests_home_leads_the_restore_nowhere(guest: GuestWorld, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jsonl").write_text("restored")
    guest.attack(f"ln -s {guest.paths.private} {guest.paths.home}/.claude")
    with pytest.raises(Exception, match="exited with"):
        transcript_files.unpack_transcripts(tmp_path, guest.paths.home, guest.checkout.git)
    assert not list(guest.paths.private.rglob("a.jsonl"))


@pytest.mark.parametrize("make", ["mkfifo CLAUDE.md", "ln -s /etc/passwd CLAUDE.md", "truncate -s 1G CLAUDE.md"])
def test_rules_that_are_no_file_are_no_rules(guest: GuestWorld, make: str) -> None:
    guest.attack(make)
    logged: list[str] = []
    text = read_rules(guest.paths.site, guest.checkout.git, lambda message, **_: logged.append(message))
    assert text == "" or text.endswith("- CLAUDE.md"), "a larger file is only named"
    assert len(logged) == ("mkfifo" not in make)
