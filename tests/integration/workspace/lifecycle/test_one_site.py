"""Two sessions of one site, each in workspaces of its own: what is live never goes backwards.

The packages and the build are left out: a site's output is its pages.
"""

from pathlib import Path
from typing import Any

import pytest
from workspace.agent.driver_messages import DriverEvent
from workspace.errors import StepStopped, StopReason
from workspace.repository.checkpoints.checkpoint import Checkpointer
from workspace.step_context import StepContext
from workspace.steps import build_step, repair_step

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import AgentResult, BuildResult, StepName
from sitewright.contracts.workspace_settings import Sessions
from sitewright.publishing import manifest_store
from sitewright.publishing.errors import PublishError
from tests.support.workspace.runner_parts import accept, git, push_elsewhere, read_command
from tests.support.workspace.runner_world import World, edit
from tests.support.workspace.shared_site import SharedSite as Site
from tests.support.workspace.shared_site import built, shared_site


@pytest.fixture
def site(world: World, monkeypatch: pytest.MonkeyPatch) -> Site:
    return shared_site(world, monkeypatch)


def test_a_question_publishes_nothing_and_an_edit_of_another_session_stands_on_what_is_live(site: Site) -> None:
    """The first session's commits are not pushed: they are in its checkpoint alone."""
    first = site.run("s1", {"closed.html": "Closed on Monday"})
    assert site.live()["closed.html"] == "Closed on Monday"
    before = site.manifest()
    assert (before.commit, before.session_id) == (built(first).commit, "s1")

    asked = built(site.run("s2", {}))
    assert (asked.skipped, asked.deploy_success, asked.deployment_id) == (True, False, before.deployment_id)
    assert site.manifest() == before

    second = built(site.run("s2", {"menu.html": "Menu"}))
    assert second.deploy_success and site.live().keys() == {"index.html", "about.html", "closed.html", "menu.html"}

    third = site.run("s1", {"index.html": "<h1>New</h1>"}, StepName.PUSH)
    assert site.live() == {
        "index.html": "<h1>New</h1>",
        "about.html": "<h1>About</h1>\n",
        "closed.html": "Closed on Monday",
        "menu.html": "Menu",
    }
    assert third.agent is not None and third.agent.files_changed == ["index.html"], "what it took in is not its own"
    assert git(site.world.bare, "merge-base", "--is-ancestor", str(second.commit), "thread-t1") == ""


def test_a_question_in_a_session_that_is_behind_publishes_nothing(site: Site) -> None:
    site.run("s1", {"one.html": "1"}, StepName.PUSH)
    site.run("s2", {"two.html": "2"}, StepName.PUSH)
    push_elsewhere(site.world.folder, site.world.bare, "main", {"three.html": "3"})
    before = site.manifest()
    assert built(site.run("s1", {})).skipped and site.manifest() == before


def test_what_is_live_stays_a_commit_of_the_branch_when_somebody_else_pushed_to_it(site: Site) -> None:
    """A rebase before the push would make another commit of it, and no other session could take it in."""
    site.run("s1", {"one.html": "1"}, StepName.PUSH)
    live = str(built(site.run("s1", {"two.html": "2"})).commit)
    theirs = push_elsewhere(site.world.folder, site.world.bare, "thread-t1", {"three.html": "3"}, start="thread-t1")
    assert site.world.step(StepName.PUSH, "c2", 2) == 0
    for commit in (live, theirs):
        assert git(site.world.bare, "merge-base", "--is-ancestor", commit, "thread-t1") == ""
    site.run("s2", {"four.html": "4"})
    assert site.live().keys() == {"index.html", "about.html", "one.html", "two.html", "four.html"}


def test_a_question_sends_what_its_session_could_not_send_before(site: Site) -> None:
    live = str(built(site.run("s1", {"one.html": "1"})).commit)
    assert live == site.manifest().commit and not git(site.world.bare, "branch", "--list", "thread-t1")
    asked = site.run("s1", {}, StepName.PUSH)
    assert asked.push is not None and asked.push.pushed
    assert git(site.world.bare, "rev-parse", "thread-t1") == live


@pytest.mark.parametrize("pushed", [True, False])
def test_a_question_in_a_new_session_tells_whether_the_host_has_what_is_live(site: Site, pushed: bool) -> None:
    live = str(built(site.run("s1", {"one.html": "1"}, *([StepName.PUSH] if pushed else []))).commit)
    asked = site.run("s2", {}, StepName.PUSH)
    assert asked.push is not None and (asked.push.commit, asked.push.pushed) == (live, pushed)
    assert not git(site.world.bare, "branch", "--list", "thread-t2")


def test_a_commit_that_may_be_live_is_not_rebased_while_s3_does_not_tell(site: Site) -> None:
    site.run("s1", {"one.html": "1"}, StepName.PUSH)
    live = str(built(site.run("s1", {"two.html": "2"})).commit)
    push_elsewhere(site.world.folder, site.world.bare, "thread-t1", {"three.html": "3"}, start="thread-t1")

    def refuse(*_: Any) -> None:
        raise PublishError("artifacts", "manifest", "SlowDown", "S3 does not answer")

    site.monkeypatch.setattr(manifest_store, "read_head", refuse)
    assert site.world.step(StepName.PUSH, "c2", 2) == 0
    assert git(site.world.bare, "merge-base", "--is-ancestor", live, "thread-t1") == ""


def test_what_the_build_wrote_into_a_tracked_file_is_no_conflict_of_a_push(site: Site) -> None:
    site.run("s1", {"one.html": "1"}, StepName.PUSH)
    site.during_build = lambda: (site.world.root / "site" / "about.html").write_text("by the build\n") and None
    live = str(built(site.run("s1", {"two.html": "2"})).commit)
    changed = {"about.html": "<h1>By hand</h1>\n"}
    theirs = push_elsewhere(site.world.folder, site.world.bare, "thread-t1", changed, start="thread-t1")
    assert site.world.step(StepName.PUSH, "c2", 2) == 0
    assert site.world.report[1]["output"]["branch"] == "thread-t1", site.world.report
    for commit in (live, theirs):
        assert git(site.world.bare, "merge-base", "--is-ancestor", commit, "thread-t1") == ""
    assert git(site.world.bare, "show", "thread-t1:about.html") == "<h1>By hand</h1>"


def test_a_workspace_that_dies_after_its_publish_leaves_a_checkpoint_with_what_is_live(site: Site) -> None:
    """The live commit is a merge that the build made a moment before. Nobody has it but the checkpoint."""
    accept(site.world.clients, "c90", 90)
    site.world.use(agent=edit({"one.html": "1"}))
    assert site.world.step(StepName.AGENT, "c90", 90) == 0
    site.run("s2", {"two.html": "2"}, StepName.PUSH)

    def die(*_: Any) -> BuildResult:
        patch.setattr(Checkpointer, "write", lambda *_, **__: False)
        raise RuntimeError("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_step, "outcome", die)
        site.world.step(StepName.BUILD, "c90", 90)
    assert site.live().keys() == {"index.html", "about.html", "one.html", "two.html"}
    assert git(site.world.bare, "branch", "--list", "thread-t1") == ""
    assert built(site.run("s3", {"three.html": "3"})).deploy_success
    assert site.live().keys() == {"index.html", "about.html", "one.html", "two.html", "three.html"}


def test_isolated_sessions_replace_each_other(site: Site) -> None:
    site.run("s1", {"one.html": "1"}, sessions=Sessions.ISOLATED)
    site.run("s2", {}, sessions=Sessions.ISOLATED)
    assert site.live().keys() == {"index.html", "about.html"}


def test_a_publish_of_another_session_during_the_build_is_taken_in_and_the_build_begins_again(site: Site) -> None:
    builds: list[int] = []

    def meanwhile() -> None:
        builds.append(1)
        if len(builds) == 1:
            site.run("s2", {"two.html": "2"})
            site.world.use(agent=edit({}))

    site.during_build = meanwhile
    assert built(site.run("s1", {"one.html": "1"})).deploy_success
    assert site.live().keys() == {"index.html", "about.html", "one.html", "two.html"} and len(builds) == 3


def test_a_new_file_of_the_build_is_not_in_the_way_of_what_another_session_published(site: Site) -> None:
    """Without a .gitignore for it, the other session has committed the file that the build writes."""
    builds: list[int] = []

    def meanwhile() -> None:
        builds.append(1)
        (site.world.root / "site" / "made.html").write_text("made")
        if len(builds) == 1:
            own, site.during_build = site.during_build, lambda: None
            root = site.world.root
            site.run("s2", {"made.html": "made", "two.html": "2"})
            site.world.root, site.during_build = root, own
            site.world.use(agent=edit({}))

    site.during_build = meanwhile
    assert built(site.run("s1", {"one.html": "1"})).deploy_success
    assert {"one.html", "two.html", "made.html"} <= site.live().keys() and len(builds) == 2


def test_a_site_that_others_publish_all_the_time_was_built(site: Site) -> None:
    def meanwhile() -> None:
        root, site.during_build = site.world.root, lambda: None
        site.run("s2", {f"{site.commands}.html": "again"})
        site.world.root, site.during_build = root, meanwhile
        site.world.use(agent=edit({}))

    site.during_build = meanwhile
    result = built(site.run("s1", {"one.html": "1"}))
    assert result.error is not None and result.error.code is ErrorCode.PUBLISH_FAILED
    assert (result.build_success, result.deploy_success, result.broken_by_edit) == (True, False, False)


def test_an_interrupted_build_names_the_commands_own_files(site: Site) -> None:
    accept(site.world.clients, "c91", 91)
    site.world.use(agent=edit({"one.html": "1"}))
    assert site.world.step(StepName.AGENT, "c91", 91) == 0
    site.run("s2", {"two.html": "2"}, StepName.PUSH)

    def interrupted() -> None:
        raise StepStopped(StopReason.INTERRUPT)

    site.during_build = interrupted
    site.world.step(StepName.BUILD, "c91", 91)
    saved = read_command(site.world.clients, "c91").interruption
    assert saved is not None and saved.files_changed == ["one.html"]
    assert "two.html" in git(site.world.bare, "ls-tree", "--name-only", str(saved.commit)), "it was taken in"


def test_the_agent_hears_of_work_of_others_once(site: Site) -> None:
    heard: list[StepContext] = []

    def listen(ctx: StepContext) -> AgentResult:
        heard.append(ctx)
        return AgentResult(summary="From nine to five.")

    site.run("s1", {"one.html": "1"}, StepName.PUSH)
    for number, step in enumerate((StepName.PREPARE, StepName.AGENT), 80):
        accept(site.world.clients, f"c{number}", number, "s2")
        site.world.use(agent=listen, prepare=listen)
        assert site.world.step(step, f"c{number}", number, session="s2") == 0
    prepared, asked = heard
    assert prepared.newer is not None and prepared.newer.moved, "a preparation tells the agent nothing"
    assert asked.newer is not None and not asked.newer.moved and not asked.others_changed, "a workspace of its own"
    accept(site.world.clients, "c82", 82, "s3")
    assert site.world.step(StepName.AGENT, "c82", 82, session="s3") == 0
    assert heard[-1].others_changed and heard[-1].newer is not None and not heard[-1].newer.moved


class Combining:
    """An agent that combines both sides, or leaves the markers."""

    able = True

    def __init__(self, ctx: StepContext, prompt: str, seconds: float) -> None:
        self.ctx, self.prompt, self.conversation = ctx, prompt, None
        self.budget = type("Budget", (), {"check": lambda _: None, "spent": 0.01})()

    def done(self) -> DriverEvent:
        page = self.ctx.paths.site / "index.html"
        assert "<<<<<<<" in page.read_text() and "index.html" in self.prompt
        if self.able:
            page.write_text("<h1>Both</h1>\n")
        return DriverEvent(sitewright_agent="result", text="I kept both.", subtype="success")

    def summary(self, event: DriverEvent) -> str:
        return event.text


@pytest.mark.parametrize("able", [True, False])
def test_a_conflict_is_the_agents_and_what_it_cannot_combine_leaves_everything_where_it_was(
    site: Site, able: bool
) -> None:
    monkeypatch = site.monkeypatch
    monkeypatch.setattr(Combining, "able", able)
    monkeypatch.setattr(repair_step, "Agent", Combining)
    site.run("s1", {"one.html": "1"}, StepName.PUSH)

    def meanwhile() -> None:
        site.during_build = lambda: None
        site.run("s2", {"index.html": "<h1>Second</h1>\n"}, StepName.PUSH)

    site.during_build = meanwhile
    site.run("s1", {"index.html": "<h1>First</h1>\n"})
    name, generation = "c2", 2
    command = read_command(site.world.clients, name)
    build = built(command)
    assert build.error is not None and build.error.code is ErrorCode.LIVE_CONFLICT and build.broken_by_edit
    assert "index.html" in build.error.message and str(site.manifest().commit) in build.error.message
    assert site.live()["index.html"] == "<h1>Second</h1>\n"

    assert site.world.step(StepName.REPAIR, name, generation) == 0
    repair = read_command(site.world.clients, name).repair
    assert repair is not None and (repair.merged, repair.changed) == (True, able)
    assert repair.files_changed == (["index.html"] if able else [])
    if able:
        assert site.world.step(StepName.BUILD, name, generation) == 0
        assert built(read_command(site.world.clients, name)).deploy_success
        assert site.live()["index.html"] == "<h1>Both</h1>\n"
    assert site.world.step(StepName.PUSH, name, generation) == 0
    assert git(site.world.bare, "show", "thread-t1:index.html") == ("<h1>Both</h1>" if able else "<h1>First</h1>")
    assert Path(site.world.root, "site").exists()
