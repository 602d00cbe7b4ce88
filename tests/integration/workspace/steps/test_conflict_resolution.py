"""A conflict at the beginning of a command, with real git: the agent combines both sides before its task, or cannot."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from moto import mock_aws
from workspace.agent.driver_messages import DriverEvent
from workspace.errors import StepFailed, StepStopped, StopReason
from workspace.guest import guest_files
from workspace.repository.checkout import MERGING_REF
from workspace.repository.newer_work.merge import Conflict, merge
from workspace.repository.newer_work.other_sessions import OtherSessions
from workspace.repository.newer_work.taking_in import DEFAULT, LIVE, NewerWork, TakenIn
from workspace.step_context import StepContext
from workspace.steps.conflict_resolution import ATTEMPTS, resolve_at_start

from sitewright.contracts.error_codes import ErrorCode
from tests.support.publishing.site_world import make_site
from tests.support.workspace.runner_parts import git

WISH = "Add a page"


@dataclass
class Worker:
    """An agent that needs `needs` attempts, or ends in an error."""

    folder: Path
    needs: int = 1
    error: Exception | None = None
    prompt: str = WISH
    conversation: str | None = "c1"
    asked: list[str] = field(default_factory=list)

    def done(self) -> DriverEvent:
        self.asked.append(self.prompt)
        if self.error is not None:
            raise self.error
        if len(self.asked) >= self.needs:
            (self.folder / "index.html").write_text("ours and theirs\n")
        return DriverEvent(sitewright_agent="result", text="I kept both.", conversation_id=f"c{len(self.asked) + 1}")

    def summary(self, event: DriverEvent) -> str:
        return event.text


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[StepContext]:
    with mock_aws():
        made = make_site(tmp_path, {"index.html": "first\n"}).ctx
        site = made.paths.site
        git(site, "checkout", "-q", "-b", "other")
        (site / "index.html").write_text("theirs\n")
        git(site, "commit", "-qam", "Theirs")
        git(site, "checkout", "-q", "thread-t1")
        (site / "index.html").write_text("ours\n")
        git(site, "commit", "-qam", "Ours")
        found = merge(made.checkout.git, made.checkout.head(), git(site, "rev-parse", "other"), "x")
        assert isinstance(found, Conflict)
        newer = NewerWork(made.checkout, cast(OtherSessions, None), "s1", made.log)
        yield replace(made, newer=newer, taken=TakenIn(conflict=found, source=LIVE))


@pytest.mark.parametrize("needs", [1, ATTEMPTS])
def test_both_sides_are_combined_before_the_wish(ctx: StepContext, needs: int) -> None:
    worker = Worker(ctx.paths.site, needs)
    came = resolve_at_start(ctx, worker)
    assert "index.html" in came.note and came.note.endswith("I kept both.") and came.unresolved == []
    assert len(worker.asked) == needs and all("index.html" in prompt for prompt in worker.asked)
    assert (worker.prompt, worker.conversation) == (WISH, f"c{needs + 1}")
    assert git(ctx.paths.site, "show", "HEAD:index.html") == "ours and theirs" and not ctx.checkout.is_dirty()
    assert ctx.checkout.is_ancestor(git(ctx.paths.site, "rev-parse", "other"), ctx.checkout.head())


def test_what_cannot_be_combined_leaves_the_session_where_it_was_and_says_so(ctx: StepContext) -> None:
    before, worker = ctx.checkout.head(), Worker(ctx.paths.site, ATTEMPTS + 1)
    came = resolve_at_start(ctx, worker)
    assert came.unresolved == ["index.html"] and "cannot go live" in came.note and worker.prompt == WISH
    assert ctx.checkout.head() == before and not ctx.checkout.is_dirty() and len(worker.asked) == ATTEMPTS


def test_a_contradiction_with_the_default_branch_blocks_nothing_and_is_asked_about_once(ctx: StepContext) -> None:
    ctx = replace(ctx, taken=replace(ctx.taken, source=DEFAULT))
    worker = Worker(ctx.paths.site, ATTEMPTS + 1)
    for _ in range(2):
        came = resolve_at_start(ctx, worker)
        assert came.unresolved == [] and "without that change" in came.note
    assert len(worker.asked) == ATTEMPTS


def test_a_model_that_does_not_answer_leaves_the_branch_and_a_stop_leaves_the_sign(ctx: StepContext) -> None:
    before = ctx.checkout.head()
    worker = Worker(ctx.paths.site, error=StepFailed(ErrorCode.MODEL_UNAVAILABLE, "overloaded"))
    with pytest.raises(StepFailed):
        resolve_at_start(ctx, worker)
    assert ctx.checkout.head() == before and not ctx.checkout.is_dirty()
    worker.error = StepStopped(StopReason.INTERRUPT)
    with pytest.raises(StepStopped):
        resolve_at_start(ctx, worker)
    assert ctx.checkout.is_dirty()
    assert ctx.checkout.commit_all("WIP: Interrupted by new message") is None, "no conflict markers in a commit"
    assert ctx.checkout.head() == before and not ctx.checkout.is_dirty()


def test_edits_of_an_attempt_that_broke_off_are_not_overwritten_by_a_conflict(ctx: StepContext) -> None:
    (ctx.paths.site / "index.html").write_text("half an edit\n")
    worker = Worker(ctx.paths.site)
    assert resolve_at_start(ctx, worker).unresolved == [] and worker.asked == []
    assert (ctx.paths.site / "index.html").read_text() == "half an edit\n"


@pytest.mark.parametrize("needs", [1, ATTEMPTS + 1])
def test_no_checkpoint_is_written_while_the_branch_or_its_files_are_moved(ctx: StepContext, needs: int) -> None:
    states: list[tuple[str, bool]] = []

    @contextmanager
    def paused() -> Iterator[None]:
        assert state() == states[-1], "the runner moved something before"
        yield
        states.append(state())

    def state() -> tuple[str, bool]:
        return ctx.checkout.head(), guest_files.look(ctx.paths.site, f".git/{MERGING_REF}") is not None

    before = state()
    states.append(before)
    resolve_at_start(replace(ctx, checkpoints_paused=paused), Worker(ctx.paths.site, needs))
    assert states[1] == (before[0], True) and states[-1] == state() == (ctx.checkout.head(), False)


def test_without_a_conflict_nobody_is_asked(ctx: StepContext) -> None:
    worker = Worker(ctx.paths.site)
    assert resolve_at_start(replace(ctx, taken=TakenIn()), worker).note == "" and worker.asked == []
