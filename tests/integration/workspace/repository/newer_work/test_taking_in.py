"""What came since into a session's branch, with a real git host: what is live, and the default branch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from workspace.errors import GitError, StepStopped, StopReason
from workspace.repository.checkout import Checkout
from workspace.repository.newer_work.host_tips import HostQuestion, NoTips
from workspace.repository.newer_work.other_sessions import NotLent
from workspace.repository.newer_work.taking_in import DEFAULT, LIVE, NewerWork, TakenIn
from workspace.repository.objects import streams
from workspace.repository.remote import Remote

from sitewright.publishing.manifest import Manifest
from tests.support.workspace.git_host import GitHost, serve_git
from tests.support.workspace.runner_parts import git, make_checkout, make_remote, push_elsewhere


@dataclass
class Others:
    """Another session's checkpoint: a repository with commits that the host lacks."""

    folder: Path
    checkout: Checkout
    asked: list[str] = field(default_factory=list)

    def lend(self, session_id: str, commit: str, *, poll: Any) -> bool:
        self.asked.append(session_id)
        if session_id == "s2":
            git(self.checkout.site, "fetch", "-q", str(self.folder), "HEAD")
        return self.checkout.resolve(commit) is not None


@dataclass
class World:
    folder: Path
    host: GitHost
    newer: NewerWork
    others: Others
    logs: list[str]

    @property
    def bare(self) -> Path:
        return self.host.root / "site.git"

    @property
    def checkout(self) -> Checkout:
        return self.newer.checkout

    def push(self, branch: str, files: dict[str, str], start: str = "main") -> str:
        return push_elsewhere(self.folder, self.bare, branch, files, start)

    def lives(self, commit: str | None, session: str | None = "s2") -> None:
        manifest = Manifest(
            client_id="amelia", bucket="b", deployment_id="d", commit=commit, session_id=session, created_at=1
        )
        self.newer.live = lambda: manifest

    def file(self, name: str) -> str | None:
        path = self.checkout.site / name
        return path.read_text() if path.exists() else None

    def edit(self, name: str, text: str) -> str:
        (self.checkout.site / name).write_text(text)
        commit = self.checkout.commit_all("Edit")
        assert commit is not None
        return commit


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    make_remote(tmp_path / "host")
    with serve_git(tmp_path / "host") as host:
        checkout, logs = make_checkout(tmp_path / "ws", host.url), list[str]()
        checkout.clone(timeout=30)
        checkout.start_branch()
        others = Others(tmp_path / "seed-of-s2", checkout)
        newer = NewerWork(checkout, others, "s1", lambda text, **values: logs.append(f"{text} {values}"))  # type: ignore[arg-type]
        yield World(tmp_path, host, newer, others, logs)


def nothing() -> None:
    pass


def test_what_another_session_made_live_and_what_a_person_pushed_is_taken_in(world: World) -> None:
    own = world.edit("own.html", "own")
    live = world.push("thread-t2", {"closed.html": "Closed on Monday"})
    world.push("main", {"footer.html": "Footer"})
    world.lives(live)
    taken = world.newer.take_in(poll=nothing)
    assert taken.conflict is None and world.newer.contains(live) and world.checkout.is_ancestor(own, "HEAD")
    assert (world.file("closed.html"), world.file("footer.html"), world.file("own.html")) == (
        "Closed on Monday",
        "Footer",
        "own",
    )
    assert not world.checkout.is_dirty() and world.checkout.current_branch() == "thread-t1"
    seen, head = len(world.host.seen), world.checkout.head()
    assert world.newer.take_in(poll=nothing).conflict is None and world.checkout.head() == head
    assert not any("git-receive-pack" in line for line in world.host.seen[seen:])


def test_a_session_without_work_of_its_own_simply_stands_at_what_is_live(world: World) -> None:
    live = world.push("thread-t2", {"closed.html": "Closed on Monday"})
    world.lives(live)
    world.newer.take_in(poll=nothing)
    assert world.checkout.head() == live


def test_a_live_commit_whose_branch_is_deleted_is_still_fetched(world: World) -> None:
    live = world.push("thread-t2", {"closed.html": "Closed on Monday"})
    git(world.bare, "branch", "-D", "thread-t2")
    world.lives(live)
    world.newer.take_in(poll=nothing)
    assert world.checkout.head() == live and world.others.asked == []


def lend(world: World) -> str:
    git(world.folder, "clone", "-q", str(world.bare), str(world.others.folder))
    (world.others.folder / "closed.html").write_text("Closed on Monday")
    git(world.others.folder, "add", "-A")
    git(world.others.folder, "commit", "-qm", "Not pushed")
    return git(world.others.folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("answer", [None, 503])
def test_a_live_commit_that_was_never_pushed_comes_from_its_sessions_checkpoint(
    world: World, answer: int | None
) -> None:
    live = lend(world)
    world.host.answer = answer
    world.lives(live)
    world.newer.take_in(poll=nothing)
    assert world.checkout.head() == live and world.others.asked == ["s2"]


def test_a_live_commit_that_nobody_has_is_waited_for_then_named_and_does_not_block_for_ever(world: World) -> None:
    world.lives("1" * 40, session="s3")
    slept: list[float] = []
    assert world.newer.take_in(poll=nothing).lost is None, "at the beginning of a command nobody waits"
    assert not world.newer.contains("1" * 40) and world.others.asked == ["s3"]
    taken = world.newer.take_in_live(poll=nothing, patience=0.1, sleep=slept.append)
    assert (taken.lost, taken.unreachable) == ("1" * 40, None)
    assert world.newer.contains("1" * 40), "the publish goes on"


def test_a_host_that_serves_no_commits_by_their_ids_gives_what_a_branch_contains(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = world.push("thread-t2", {"closed.html": "Closed on Monday"})
    world.push("thread-t2", {"draft.html": "Not live"}, start="thread-t2")

    def refuse(*_: Any, **__: Any) -> None:
        raise GitError("fetch", 128, f"error: Server does not allow request for unadvertised object {live}")

    monkeypatch.setattr(Remote, "fetch_commits", refuse)
    world.lives(live, session=None)
    world.newer.take_in(poll=nothing)
    assert world.checkout.head() == live
    world.lives("1" * 40, session=None)
    assert world.newer.take_in_live(poll=nothing, patience=0).lost == "1" * 40


@pytest.mark.parametrize(
    "error", [GitError("index-pack", 128, "fatal: out of memory, malloc failed"), GitError("fetch", 128, "killed")]
)
def test_a_fetch_that_fails_on_this_machine_is_no_proof_that_a_commit_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, error: GitError
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Remote, "fetch_commits", fail)
    world.lives("1" * 40, session="s3")
    taken = world.newer.take_in_live(poll=nothing, patience=0.1)
    assert taken.unreachable is not None and taken.lost is None and not world.newer.contains("1" * 40)


def test_a_checkpoint_that_cannot_be_unpacked_here_is_no_proof_that_a_commit_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> bool:
        raise NotLent("no space left on device")

    monkeypatch.setattr(Others, "lend", fail)
    world.lives("1" * 40)
    assert world.newer.take_in_live(poll=nothing, patience=0).unreachable == "no space left on device"


def test_a_host_that_does_not_answer_costs_its_news_but_what_is_live_is_not_taken_for_lost(world: World) -> None:
    world.host.answer = 503
    world.lives("1" * 40, session=None)
    before = world.checkout.head()
    assert world.newer.take_in(poll=nothing).conflict is None and world.checkout.head() == before
    taken = world.newer.take_in_live(poll=nothing, patience=0.1)
    assert taken.unreachable is not None and not world.newer.contains("1" * 40)


def test_a_conflict_leaves_the_session_where_it_was_and_says_where_it_comes_from(world: World) -> None:
    own = world.edit("index.html", "<h1>Mine</h1>\n")
    theirs = world.push("main", {"index.html": "<h1>Theirs</h1>\n"})
    taken = world.newer.take_in(poll=nothing)
    assert taken.conflict is not None and (taken.conflict.paths, taken.source) == (("index.html",), DEFAULT)
    assert world.checkout.head() == own and not world.checkout.is_dirty()
    world.lives(theirs)
    assert world.newer.take_in(poll=nothing).source == LIVE


def test_a_new_session_begins_at_what_is_live_although_the_default_branch_contradicts_it(world: World) -> None:
    live = world.push("thread-t2", {"index.html": "<h1>Live</h1>\n"})
    default = world.push("main", {"index.html": "<h1>By hand</h1>\n"})
    world.checkout.clone(timeout=30)
    world.checkout.start_branch()
    world.newer.cloned = True
    world.lives(live)
    taken = world.newer.take_in(poll=nothing)
    assert taken.conflict is not None and (taken.conflict.theirs, taken.source) == (default, DEFAULT)
    assert world.checkout.head() == live and world.newer.contains(live) and not world.newer.contains(default)
    assert world.checkout.current_branch() == "thread-t1" and not world.checkout.is_dirty()


def test_a_deleted_and_squashed_session_branch_goes_on_from_the_default_branch(world: World) -> None:
    own = world.edit("index.html", "<h1>Session</h1>\n")
    world.checkout.remote.push(own, "thread-t1", timeout=30)
    world.lives(own)
    squashed = world.push("main", {"index.html": "<h1>Session</h1>\n"})
    assert squashed != own
    world.push("main", {"index.html": "<h1>Corrected by a person</h1>\n"})
    git(world.bare, "branch", "-D", "thread-t1")
    assert world.newer.take_in(poll=nothing).conflict is None
    assert world.file("index.html") == "<h1>Corrected by a person</h1>\n" and world.newer.contains(own)


def test_what_a_person_pushed_to_the_sessions_branch_is_taken_in(world: World) -> None:
    own = world.edit("own.html", "own")
    world.checkout.remote.push(own, "thread-t1", timeout=30)
    world.checkout.set_tracking("thread-t1", own)
    theirs = world.push("thread-t1", {"person.html": "by hand"}, start="thread-t1")
    world.edit("later.html", "later")
    world.newer.take_in(poll=nothing)
    assert (world.file("person.html"), world.file("later.html")) == ("by hand", "later")
    assert world.checkout.tracking() == theirs and world.newer.contains(theirs)


def test_a_rewritten_session_branch_stands_in_place_of_what_was_there(world: World) -> None:
    """A person amended the session's pushed commit. The live site has the commit as it was."""
    own = world.edit("index.html", "<h1>Session</h1>\n")
    world.checkout.remote.push(own, "thread-t1", timeout=30)
    world.checkout.set_tracking("thread-t1", own)
    world.lives(own)
    world.edit("later.html", "not pushed yet")
    git(world.bare, "update-ref", "refs/heads/thread-t1", "main")
    theirs = world.push("thread-t1", {"index.html": "<h1>Amended</h1>\n"})
    assert world.newer.take_in(poll=nothing).conflict is None
    assert (world.file("index.html"), world.file("later.html")) == ("<h1>Amended</h1>\n", "not pushed yet")
    assert world.newer.contains(own) and world.newer.contains(theirs)
    world.checkout.remote.push(world.checkout.head(), "thread-t1", timeout=30)


def test_a_host_that_speaks_no_version_2_is_asked_by_git(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise NoTips("404")

    monkeypatch.setattr(HostQuestion, "ask", refuse)
    theirs = world.push("main", {"footer.html": "Footer"})
    world.newer.take_in(poll=nothing)
    assert world.checkout.head() == theirs and any("asked by git itself" in line for line in world.logs)


def test_the_host_is_asked_by_one_request_beside_other_work_and_no_git_runs_when_nothing_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.lives(world.checkout.head())
    world.newer.take_in(poll=nothing)
    seen = len(world.host.seen)
    monkeypatch.setattr(streams, "run", None)
    world.newer.look_ahead()
    assert world.newer.take_in(poll=nothing) == TakenIn() and not world.newer.moved
    assert world.host.seen[seen:] == ["POST /site.git/git-upload-pack"]


def test_names_that_are_no_commit_are_not_asked_for(world: World) -> None:
    for name in ("--upload-pack=touch x", "main", "", None):
        world.lives(name)
        seen = len(world.host.seen)
        assert world.newer.take_in_live(poll=nothing, patience=0) == TakenIn()
        assert len(world.host.seen) == seen


def test_work_of_others_that_the_agent_has_not_heard_of_is_not_forgotten(world: World) -> None:
    """A preparation took it in, or a build."""
    world.push("main", {"footer.html": "Footer"})
    world.newer.take_in(poll=nothing)
    world.newer.take_in(poll=nothing)
    assert world.newer.moved


def test_no_checkpoint_is_written_while_the_branch_moves(world: World) -> None:
    heads: list[str] = []

    @contextmanager
    def paused() -> Iterator[None]:
        heads.append(world.checkout.head())
        yield
        heads.append(world.checkout.head())

    world.newer.paused = paused
    before, live = world.checkout.head(), world.push("thread-t2", {"closed.html": "Closed on Monday"})
    world.lives(live)
    world.newer.take_in(poll=nothing)
    assert heads == [before, live]


def test_a_stop_ends_it(world: World) -> None:
    live = world.push("thread-t2", {"closed.html": "Closed on Monday"})
    world.lives(live)

    def stop() -> None:
        raise StepStopped(StopReason.INTERRUPT)

    before = world.checkout.head()
    with pytest.raises(StepStopped):
        world.newer.take_in(poll=stop)
    assert world.checkout.head() == before and not world.checkout.is_dirty()
