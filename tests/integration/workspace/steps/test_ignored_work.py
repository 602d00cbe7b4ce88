"""What the agent writes and git ignores: offered to it once, told, and kept by checkpoints. Claude Code is real."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from workspace.agent.driver_messages import DriverEvent
from workspace.repository.ignored_files import may_be_read, still_ignored, written_since
from workspace.step_context import StepContext
from workspace.steps import agent_step
from workspace.steps.ignored_work import note, offer_ignored

from sitewright.local.demo_model.instruction_parser import understand
from tests.support.publishing.site_world import write
from tests.support.workspace.agent_world import World, make_world, world
from tests.support.workspace.fake_model import Reply, Script, text, tool
from tests.support.workspace.runner_parts import git

RULES = ".gitignore"


def ignoring(w: World, rules: str = "lib/\n*.local\n") -> StepContext:
    """Commits rules, and returns the context of a step that begins after it."""
    write(w.ctx.paths.site, {RULES: rules})
    git(w.ctx.paths.site, "add", "-A")
    git(w.ctx.paths.site, "commit", "-qm", "Rules")
    return replace(w.ctx, base=w.ctx.checkout.head())


def writes(root: Path, then: str | None) -> Script:
    """Returns a model that writes src/lib/p.html, and runs the command `then` when it is asked."""

    def script(body: dict[str, Any], _: int) -> Reply:
        last = str(body["messages"][-1]["content"])
        if "tool_result" in last:
            return text("Done.")
        if "ignore files that you wrote" in last:
            return tool("Bash", {"command": then}) if then else text("Not needed.")
        return tool("Write", {"file_path": str(root / "site/src/lib/p.html"), "content": "<p>from lib</p>"})

    return script


def test_the_agent_gets_the_chance_to_mend_it(tmp_path: Path) -> None:
    with world(tmp_path, writes(tmp_path, "echo '*.local' > .gitignore")) as (w, model):
        ctx = ignoring(w)
        result = agent_step.run(ctx)
        assert "src/lib/p.html" in "".join(model.prompts())
        assert result.files_changed == [RULES, "src/lib/p.html"]
        assert result.summary == "Done." and w.ctx.checkout.kept == ()


def test_what_it_leaves_is_told_and_a_checkpoint_has_it(tmp_path: Path) -> None:
    with world(tmp_path, writes(tmp_path, None)) as (w, model):
        ctx = ignoring(w)
        result = agent_step.run(ctx)
        assert result.files_changed == [] and result.summary == f"Done.\n\n{note(['src/lib/p.html'])}"
        assert w.ctx.checkout.kept == ("src/lib/p.html",)
        snapshot = w.ctx.checkout.tree_snapshot()
        assert git(w.ctx.paths.site, "show", f"{snapshot}:src/lib/p.html") == "<p>from lib</p>"
        assert w.ctx.checkout.commit_all("Edit") is None and not w.ctx.checkout.is_dirty()
        asked = len(model.requests)
        again = agent_step.run(replace(ctx, command=w.ctx.command.model_copy(update={"instruction": "Again"})))
        assert len(model.requests) > asked and again.summary == "Done.", "the client knows of the file already"


class Agent:
    """An agent that does nothing when it is asked."""

    prompt, conversation = "The wish", None

    def __init__(self) -> None:
        self.asked: list[str] = []

    def done(self) -> DriverEvent:
        self.asked.append(self.prompt)
        return DriverEvent(sitewright_agent="result", subtype="success", text="No.")


def test_only_new_files_that_a_build_may_read_are_offered_and_only_once(tmp_path: Path) -> None:
    w, agent = make_world(tmp_path, None), Agent()
    ignoring(w, "lib/\n*.local\nnode_modules\ndist\nlogs\n")
    write(w.ctx.paths.site, {"src/lib/old.html": "older"})
    time.sleep(0.05)
    since = time.time()
    time.sleep(0.05)
    made = (
        "src/lib/new.html",
        "src/lib/node_modules/x.js",
        "node_modules/a/i.js",
        "dist/x.html",
        "logs/a.txt",
        "a.local",
    )
    write(w.ctx.paths.site, dict.fromkeys((*made, "src/lib/debug.log"), "x"))
    assert written_since(w.ctx.checkout, since) == ["a.local", "src/lib/new.html"]
    assert "a.local, src/lib/new.html: only" in offer_ignored(w.ctx, agent, since, None)
    assert len(agent.asked) == 1 and agent.prompt == "The wish"
    assert offer_ignored(w.ctx, agent, time.time() + 1, None) == "" and len(agent.asked) == 1
    assert w.ctx.checkout.kept == ("a.local", "src/lib/new.html")
    (w.ctx.paths.site / "a.local").unlink()
    git(w.ctx.paths.site, "add", "-f", "src/lib/new.html")
    assert still_ignored(w.ctx.checkout, w.ctx.checkout.kept) == []


def test_the_demo_model_takes_the_question_for_no_wish() -> None:
    from workspace.steps.ignored_work import prompt

    assert understand(prompt(["src/lib/p.html"])).kind == "none"


def test_what_no_build_reads() -> None:
    assert may_be_read("src/lib/a.html") and may_be_read("a.local") and may_be_read("dist2/x")
    assert not any(may_be_read(path, ("dist",)) for path in ("dist/x", "node_modules/x", "a/.cache/x", "x.log", "dist"))
