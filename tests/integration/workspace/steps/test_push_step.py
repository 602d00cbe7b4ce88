"""Push and salvage against a real git host: diverged, conflicting, refused, and temporarily down."""

from pathlib import Path
from typing import Any

import pytest
from workspace.repository import remote_retry
from workspace.repository.checkout import Checkout
from workspace.steps import push_step

from sitewright.contracts.steps import StepName
from tests.support.workspace.git_host import TOKEN
from tests.support.workspace.runner_parts import accept, git, push_elsewhere, read_command, read_session
from tests.support.workspace.runner_world import (
    World,
    commit_step,
    edit,
    new_world,
)


def edited(world: World, files: dict[str, str | None], command: str = "cmd-1", generation: int = 1) -> None:
    world.use(agent=edit(files), build=commit_step(f"Edit of {command}"))
    for step in (StepName.AGENT, StepName.BUILD):
        assert world.step(step, command, generation) == 0


def pushed(world: World, **settings: Any) -> dict[str, Any]:
    assert world.step(StepName.PUSH, **settings) == 0
    kind, report = world.report
    assert kind == "success", report
    result: dict[str, Any] = report["output"]
    return result


def failed(world: World, step: StepName = StepName.PUSH, **settings: Any) -> dict[str, Any]:
    assert world.step(step, **settings) == 0
    kind, report = world.report
    assert (kind, report["error"]) == ("failure", "Step.Failed")
    cause: dict[str, Any] = report["cause"]
    assert cause["remedy"]
    return cause


def test_push_creates_the_branch(world: World) -> None:
    edited(world, {"index.html": "new"})
    result = pushed(world)
    commit = world.remote("rev-parse", "thread-t1")
    assert result["commit"] == commit and result["branch"] == "thread-t1" and result["pushed"] is True
    assert result["rebased"] is False and result["error"] is None
    assert world.remote("log", "-1", "--format=%s", "thread-t1") == "Edit of cmd-1"
    record = read_command(world.clients, "cmd-1").push
    assert record is not None and record.commit == commit
    assert pushed(world)["pushed"] is True, "nothing to push is pushed, too"


def test_a_remote_that_moved_on_is_rebased_onto(world: World, tmp_path: Path) -> None:
    edited(world, {"index.html": "ours"})
    theirs = push_elsewhere(tmp_path, world.bare, "thread-t1", {"theirs.html": "theirs"})
    before = read_session(world.clients).checkpoint
    result = pushed(world)
    assert result["rebased"] is True and result["branch"] == "thread-t1"
    assert world.remote("rev-parse", "thread-t1~1") == theirs
    assert world.remote("show", "thread-t1:index.html") == "ours"
    assert read_session(world.clients).checkpoint != before, "the rebased branch must be in the checkpoint"
    accept(world.clients, "cmd-2", 2)
    edited(world, {"more.html": "x"}, "cmd-2", 2)
    assert git(world.root / "site", "rev-parse", "HEAD~1") == result["commit"]


def test_what_the_session_took_in_is_not_replayed_commit_by_commit(world: World, tmp_path: Path) -> None:
    edited(world, {"ours.html": "ours"})
    assert pushed(world)["pushed"]
    main = push_elsewhere(tmp_path, world.bare, "main", {"main.html": "by hand"})
    accept(world.clients, "cmd-2", 2)
    edited(world, {"more.html": "more"}, "cmd-2", 2)
    theirs = push_elsewhere(tmp_path, world.bare, "thread-t1", {"theirs.html": "theirs"}, start="thread-t1")
    assert world.step(StepName.PUSH, "cmd-2", 2) == 0
    assert world.report[1]["output"]["branch"] == "thread-t1"
    for commit in (main, theirs):
        assert world.remote("merge-base", "--is-ancestor", commit, "thread-t1") == ""
    subjects = world.remote("log", "--format=%s", "thread-t1").split("\n")
    assert subjects.count("Edit of cmd-2") == 1 and subjects.count("Somebody else's") == 2


def test_a_question_makes_no_branch(world: World) -> None:
    edited(world, {})
    result = pushed(world)
    assert (result["pushed"], result["branch"], result["commit"]) == (True, "main", world.remote("rev-parse", "main"))
    assert not world.remote("branch", "--list", "thread-t1")


def test_a_conflict_goes_to_a_rescue_branch(world: World, tmp_path: Path) -> None:
    edited(world, {"index.html": "ours"})
    theirs = push_elsewhere(tmp_path, world.bare, "thread-t1", {"index.html": "theirs"})
    result = pushed(world)
    assert result["branch"] == "rescue/cmd-1" and result["pushed"] is True
    assert result["error"]["code"] == "push_conflict" and "rescue/cmd-1" in result["error"]["message"]
    assert world.remote("rev-parse", "thread-t1") == theirs, "the remote's commits are never overwritten"
    assert world.remote("show", "rescue/cmd-1:index.html") == "ours"
    assert git(world.root / "site", "status", "--porcelain") == "", "the rebase must be undone"
    assert git(world.root / "site", "rev-parse", "HEAD") == result["commit"]


def test_a_site_has_a_prefix_of_its_own_for_branches(world: World, tmp_path: Path) -> None:
    world.use(agent=edit({"index.html": "ours"}), build=commit_step())
    for step in (StepName.AGENT, StepName.BUILD):
        assert world.step(step, branch_prefix="feature/") == 0
    push_elsewhere(tmp_path, world.bare, "feature/t1", {"index.html": "theirs"})
    assert pushed(world, branch_prefix="feature/")["branch"] == "feature/rescue-cmd-1"
    assert world.remote("show", "feature/rescue-cmd-1:index.html") == "ours"


def test_an_existing_rescue_branch_is_not_changed(world: World, tmp_path: Path) -> None:
    edited(world, {"index.html": "ours"})
    push_elsewhere(tmp_path, world.bare, "thread-t1", {"index.html": "theirs"})
    other = push_elsewhere(tmp_path, world.bare, "rescue/cmd-1", {"other.html": "other"})
    assert pushed(world)["branch"] == "rescue/cmd-1-2"
    assert world.remote("rev-parse", "rescue/cmd-1") == other


def test_a_race_with_another_push_is_won_by_trying_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited(world, {"index.html": "ours"})
    push_elsewhere(tmp_path, world.bare, "thread-t1", {"theirs.html": "1"})
    real, rounds = push_step.rebase, [0]

    def rebase(checkout: Checkout, onto: str) -> bool:
        done = real(checkout, onto)
        if rounds[0] < 2:
            rounds[0] += 1
            push_elsewhere(tmp_path, world.bare, "thread-t1", {f"race{rounds[0]}.html": "x"}, start="thread-t1")
        return done

    monkeypatch.setattr(push_step, "rebase", rebase)
    assert pushed(world)["rebased"] is True
    assert rounds == [2]
    assert world.remote("show", "thread-t1:race2.html") == "x"
    assert world.remote("show", "thread-t1:index.html") == "ours"


def test_a_refused_token_fails_at_once(world: World) -> None:
    edited(world, {"index.html": "ours"})
    world.host.token = "another"
    asked = len(world.host.seen)
    cause = failed(world)
    assert cause["code"] == "git_auth_failed"
    assert len(world.host.seen) - asked <= 2, "a refused token must not be tried again"
    assert TOKEN not in str(world.clients.sfn.calls) and TOKEN not in world.log.getvalue()
    assert world.claim_is_free()
    world.host.token = TOKEN
    assert pushed(world)["pushed"] is True, "the commits are in the checkpoint"


def test_a_host_that_is_down_for_a_while_is_waited_for(world: World) -> None:
    edited(world, {"index.html": "ours"})
    world.host.failures = 2
    assert pushed(world)["pushed"] is True
    assert len(world.events("the git host is out of reach, trying again")) == 2


def test_a_host_that_stays_down_ends_in_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    edited(world, {"index.html": "ours"})
    monkeypatch.setattr(push_step, "DOWN_SECONDS", 1.5)
    world.host.answer = 503
    assert failed(world)["code"] == "git_unavailable"


def test_the_push_timeout_bounds_the_retries(world: World) -> None:
    edited(world, {"index.html": "ours"})
    world.host.answer = 503
    assert failed(world, push_timeout_seconds=2)["code"] == "git_unavailable"


def test_a_hooks_refusal_is_reported_in_the_hosts_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = "#!/bin/sh\necho 'No pushes on Friday' >&2\nexit 1\n"
    with new_world(tmp_path, monkeypatch) as world:
        edited(world, {"index.html": "ours"})
        script = world.bare / "hooks" / "pre-receive"
        script.parent.mkdir(exist_ok=True)
        script.write_text(hook)
        script.chmod(0o755)
        cause = failed(world)
        assert cause["code"] == "push_failed" and "No pushes on Friday" in cause["message"]


def test_salvage_commits_what_is_uncommitted(world: World) -> None:
    world.use(agent=edit({"index.html": "half"}))
    world.step(StepName.AGENT)
    assert world.step(StepName.SALVAGE) == 0
    assert world.report[1]["output"]["pushed"] is True
    message = world.remote("log", "-1", "--format=%B", "thread-t1")
    assert message == "WIP: Run failed before commit\n\nSession-Id: s1\nCommand-Id: cmd-1"
    assert read_command(world.clients, "cmd-1").push is not None


def test_a_secret_that_cannot_be_read_is_an_auth_error(world: World) -> None:
    edited(world, {"index.html": "ours"})
    world.clients._secrets.clear()
    world.clients.ssm.delete_parameter(Name="git-token")
    cause = failed(world)
    assert cause["code"] == "git_auth_failed"
    assert "ParameterNotFound" in cause["message"]
    assert "aws ssm put-parameter --type SecureString --overwrite --name git-token" in cause["message"]


def test_the_first_clone_retries_and_then_reports_the_host(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from workspace.repository.checkpoints import restore

    world.host.failures = 1
    world.use(agent=edit({}))
    world.step(StepName.AGENT)
    assert world.report[0] == "success"
    monkeypatch.setattr(restore, "DOWN_SECONDS", 1.2)
    world.host.answer = 503
    world.clients.dynamodb.update_item(
        TableName="sessions", Key={"clientSession": {"S": "amelia#s1"}}, UpdateExpression="REMOVE checkpoint"
    )
    assert failed(world, StepName.AGENT)["code"] == "git_unavailable"
    world.host.answer = 403
    assert failed(world, StepName.AGENT)["code"] == "git_auth_failed"


def test_retries_are_bounded_in_time() -> None:
    now, naps = [0.0], list[float]()

    def nap(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    def down(_seconds: float) -> None:
        raise TimeoutError("no answer")

    with pytest.raises(Exception, match="git_unavailable"):
        remote_retry.retry_remote(down, within=30, sleep=nap, log=lambda *_, **__: None, clock=lambda: now[0])
    assert sum(naps) <= 30 and naps[:4] == [0.5, 1.0, 2.0, 4.0]
