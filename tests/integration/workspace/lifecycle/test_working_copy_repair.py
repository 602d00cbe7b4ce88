"""After an agent destroys its repository, the edits are kept and the history is restored."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from workspace.errors import StopReason
from workspace.lifecycle.runner import Runner
from workspace.repository.checkpoints.restore import Restorer
from workspace.steps import agent_step
from workspace.system.prestarted_process import Program
from workspace.system.settings import Settings
from workspace.system.stop import Stop

from sitewright.contracts.steps import StepName
from tests.support.workspace.runner_parts import accept, read_command
from tests.support.workspace.runner_world import (
    World,
    commit_step,
    edit,
    in_background,
    wait_for,
)

BEGUN_ANEW = "rm -rf .git && git init -q && git add -A && git commit -qm mine"

CLONED_ANEW = f"{BEGUN_ANEW} && git update-ref refs/remotes/origin/main HEAD && sleep 1"
"""Like BEGUN_ANEW, but with a clone's remote ref. It lasts longer than a checkpoint's period."""

HARM = {
    "removed": "rm -rf .git",
    "begun anew": BEGUN_ANEW,
    "cloned anew": CLONED_ANEW,
    "a file instead": "rm -rf .git && echo 'gitdir: /nowhere' > .git",
    "a link to nowhere": "rm -rf .git && ln -s /nowhere .git",
    "without its HEAD": "rm .git/HEAD",
    "without its objects": "rm -rf .git/objects",
    "without its refs, and locked": "rm -rf .git/refs && touch .git/index.lock",
    "with a configuration nobody can read": "echo '[' > .git/config",
    "moved away": "mv .git ../kept",
    "in another folder": "git init -q --separate-git-dir=../elsewhere",
    "with an index nobody can read": "echo x > .git/index",
    "without a worktree": "git config core.bare true",
    "gone with the runner's scratch": "rm -rf .git ../tmp",
    "on a branch without a commit": "git checkout -q --orphan other",
}


def claude_code(world: World, script: str) -> None:
    """Replaces the driver by a shell script in the checkout, which then reports a success."""
    done = {
        "sitewrightAgent": "result",
        "subtype": "success",
        "text": "Done.",
        "turns": 1,
        "spoke": True,
        "costUsd": 0.5,
    }
    code = (
        "import json, subprocess, sys; request = json.load(sys.stdin);"
        "subprocess.run(['sh', '-c', sys.argv[1]], cwd=request['cwd'], env=request['environment'], check=True);"
        "print(sys.argv[2], flush=True)"
    )

    def program(settings: Settings) -> Program:
        argv = (sys.executable, "-IS", "-c", code, script, json.dumps(done))
        return Program(argv, settings.paths.root, settings.inherited)

    world.monkeypatch.setattr(agent_step, "driver_program", program)


def unsaved(runner: Runner) -> Runner:
    """Makes a runner write no checkpoint while the agent works."""
    return replace(runner, timing=replace(runner.timing, checkpoint=60.0))


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_the_first_commands_edit_is_kept_and_is_on_the_clients_history(world: World, harm: str) -> None:
    claude_code(world, f"echo edited > index.html && echo new > about.html && {harm}")
    assert world.step(StepName.AGENT) == 0
    kind, report = world.report
    assert kind == "success", report
    assert report["output"]["filesChanged"] == ["about.html", "index.html"]
    assert world.events("the agent destroyed the repository, restoring it under the files")

    # In a fresh workspace.
    assert world.step(StepName.SALVAGE) == 0
    assert world.remote("show", "thread-t1:index.html") == "edited"
    subjects = world.remote("log", "--format=%s", "thread-t1").splitlines()
    assert subjects == ["WIP: Run failed before commit", "Second", "First"]


@pytest.mark.parametrize("harm", ["rm -rf .git", CLONED_ANEW])
def test_unpushed_commits_of_the_session_are_restored(world: World, harm: str) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step("Not pushed yet"))
    world.step(StepName.AGENT)
    world.step(StepName.BUILD)
    world.use(agent=agent_step.run)
    accept(world.clients, "cmd-2", 2)
    claude_code(world, f"echo 2 > about.html; {harm}")

    assert world.step(StepName.AGENT, "cmd-2", 2) == 0
    assert world.report[1]["output"]["filesChanged"] == ["about.html"]
    world.step(StepName.PUSH, "cmd-2", 2)
    assert "Not pushed yet" in world.remote("log", "--format=%s", "thread-t1")


RESETS = {
    "reset": "git reset -q --hard HEAD~1",
    "reset, then committed": "git reset -q --hard HEAD~1 && echo x > x.html && git add -A && git commit -qm Mine",
    "left at an older commit": "git checkout -q HEAD~1",
}


@pytest.mark.parametrize("reset", RESETS.values(), ids=RESETS.keys())
def test_a_branch_that_the_agent_reset_keeps_its_history_and_the_undo_is_an_edit(world: World, reset: str) -> None:
    """Otherwise a publish would take back what other sessions made live, and a push would bring back what was undone."""
    before = world.remote("rev-parse", "main")
    claude_code(world, reset)
    assert world.step(StepName.AGENT) == 0
    assert "about.html" in world.report[1]["output"]["filesChanged"], world.report
    assert world.step(StepName.SALVAGE) == 0
    assert world.remote("merge-base", "--is-ancestor", before, "thread-t1") == ""
    assert "about.html" not in world.remote("ls-tree", "--name-only", "thread-t1").splitlines()


def test_an_interrupt_keeps_the_edit_too(world: World) -> None:
    claude_code(world, "echo half > index.html && rm -rf .git && touch ../working && sleep 60")
    stop = Stop()
    runner = world.prepare(StepName.AGENT, stop=stop)
    thread, codes = in_background(runner.run)
    wait_for((world.root / "working").exists)
    accept(world.clients, "cmd-2", 2)
    thread.join(40)
    assert codes == [0] and stop.reason is StopReason.INTERRUPT
    saved = read_command(world.clients, "cmd-1").interruption
    assert saved is not None and saved.files_changed == ["index.html"]
    assert world.remote("show", f"{saved.commit}:index.html") == "half"


def test_without_a_git_host_the_files_stay_as_they_are(world: World) -> None:
    claude_code(world, f"echo edited > index.html && rm -rf .git && mv {world.bare} {world.bare}.away")
    unsaved(world.prepare(StepName.AGENT)).run()
    assert world.report[0] == "failure"
    assert world.events("the repository could not be restored")
    assert (world.root / "site" / "index.html").read_text() == "edited\n"


def test_commits_that_others_pushed_meanwhile_are_not_reverted(world: World) -> None:
    theirs = (
        "cd ../theirs && echo theirs > theirs.html && git add -A && git commit -qm Theirs && git push -q origin HEAD"
    )
    claude_code(world, f"(git clone -q {world.bare} ../theirs && {theirs}) && echo edited > index.html && rm -rf .git")
    unsaved(world.prepare(StepName.AGENT)).run()
    assert world.report[1]["output"]["filesChanged"] == ["index.html"]

    world.use(build=commit_step())
    world.step(StepName.BUILD)
    world.step(StepName.PUSH)
    assert world.remote("log", "--format=%s", "thread-t1").splitlines() == ["[2026-01-01] Edit", "Second", "First"]


def test_a_new_repository_that_cannot_be_replaced_is_neither_saved_nor_pushed(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step("Not pushed yet"))
    world.step(StepName.AGENT)
    world.step(StepName.BUILD)
    world.use(agent=agent_step.run)
    saved = world.checkpoints()
    accept(world.clients, "cmd-2", 2)
    claude_code(world, f"{BEGUN_ANEW} && touch ../working && sleep 60")

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    world.monkeypatch.setattr(Restorer, "repository", full)
    runner = world.prepare(StepName.AGENT, "cmd-2", 2)
    thread, codes = in_background(runner.run)
    wait_for((world.root / "working").exists)
    accept(world.clients, "cmd-3", 3)
    thread.join(40)
    assert codes == [0] and world.report[1]["error"] == "Workspace.Interrupted"
    assert world.checkpoints() == saved
    assert world.remote("branch", "--list", "thread-t1") == ""


def test_an_agent_that_removed_the_folder_fails_its_step_and_leaves_the_session_usable(world: World) -> None:
    claude_code(world, 'rm -rf "$PWD"')
    world.step(StepName.AGENT)
    assert (world.report[0], world.claim_is_free()) == ("failure", True)
    world.use(agent=edit({"index.html": "edited"}))
    assert world.step(StepName.AGENT) == 0
    assert world.report[0] == "success"


def test_the_files_are_restored_although_a_deletion_fails(world: World) -> None:
    claude_code(world, "echo edited > index.html && rm -rf .git")
    rmtree = shutil.rmtree

    def unable(path: Path, ignore_errors: bool = False) -> None:
        """Fails like `rmtree` on a folder with another user's files."""
        if Path(path).name != "site":
            rmtree(path, ignore_errors=ignore_errors)

    world.monkeypatch.setattr(shutil, "rmtree", unable)
    world.step(StepName.AGENT)
    assert world.report[1]["output"]["filesChanged"] == ["index.html"]
    assert (world.root / "site" / "index.html").read_text() == "edited\n"
