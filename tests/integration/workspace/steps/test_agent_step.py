"""The step `agent` with the real Claude Code against a Messages API on loopback."""

import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from workspace.agent.transcript import damage, prepare_resume, slug
from workspace.claim.session import commands_table
from workspace.errors import StepStopped, StopReason
from workspace.steps import agent_step
from workspace.system.json_log import Log

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.steps import AgentResult
from sitewright.tables.keys import CommandRef
from tests.support.workspace.agent_world import (
    INSTRUCTION,
    Aws,
    editing,
    failed,
    with_session,
    world,
)
from tests.support.workspace.fake_model import Reply, hang, text, tool
from tests.support.workspace.runner_parts import (
    TestClients,
    accept,
    git,
    make_checkout,
    read_command,
    tables_in_memory,
)


def test_edits_are_reported_and_a_conversation_goes_on_in_another_folder(tmp_path: Path) -> None:
    with world(tmp_path / "a", editing(tmp_path / "a")) as (w, model):
        # The repository's settings could run programs, so Claude Code must not load them.
        (w.ctx.paths.site / ".claude").mkdir()
        (w.ctx.paths.site / ".claude" / "settings.json").write_text(
            '{"hooks":{"SessionStart":[{"hooks":[{"type":"command","command":"touch hooked"}]}]}}'
        )
        (w.ctx.paths.site / "json.py").write_text("raise SystemExit('the repository hijacked an import')\n")
        git(w.ctx.paths.site, "add", "-A")
        git(w.ctx.paths.site, "commit", "-qm", "Settings")
        result = agent_step.run(replace(w.ctx, base=w.ctx.checkout.head()))
        assert result.files_changed == ["banner.html"]
        assert result.files_changed_count == 1
        assert result.summary == "Added a banner."
        assert result.turns and result.cost_usd is not None and result.conversation_id
        assert any(line.startswith("Write ") and "banner.html" in line for line in w.progress)
        assert any(INSTRUCTION in prompt for prompt in model.prompts())

    with world(tmp_path / "b", lambda *_: text("Still here.")) as (w, model):
        (tmp_path / "b" / "home").rmdir()
        (tmp_path / "a" / "home").rename(tmp_path / "b" / "home")
        again = agent_step.run(with_session(w.ctx, result))
        assert again.summary == "Still here." and again.files_changed == []
        assert sum(INSTRUCTION in prompt for prompt in model.prompts()) == 2


def test_a_conversation_that_is_gone_or_unreadable_starts_anew_and_says_so(tmp_path: Path) -> None:
    lost = AgentResult(conversation_id="7b9f4a52-0a3c-4a57-9d6c-0f3b1d6a0001")
    with world(tmp_path, lambda *_: text("Fresh.")) as (w, _):
        assert agent_step.run(with_session(w.ctx, lost)).summary == "Fresh." + agent_step.BEGUN_ANEW
        assert any("cannot be resumed" in line for line in w.progress)
        w.progress.clear()
        folder = w.ctx.paths.home / ".claude" / "projects" / slug(w.ctx.paths.site)
        (folder / f"{lost.conversation_id}.jsonl").write_text("not a transcript\n")
        assert agent_step.run(with_session(w.ctx, lost)).summary == "Fresh." + agent_step.BEGUN_ANEW
        assert any("cannot be resumed" in line for line in w.progress)


def first_lines_gone(transcript: bytes) -> bytes:
    return b"".join(transcript.splitlines(keepends=True)[-6:])


HARMS: dict[str, tuple[Callable[[bytes], bytes], bool]] = {
    "a line of garbage": (lambda whole: b'{"x": \xff garbage\n' + whole, True),
    "a line cut in two": (lambda whole: whole.replace(b'"type":"assistant"', b'"type":"assi\n', 1), True),
    "its beginning is missing": (first_lines_gone, True),
    "the last line is half written": (lambda whole: whole + b'{"type":"user","uuid', False),
}
"""What happened to a transcript, and whether it takes a new conversation."""

TRIED = ("its beginning is missing", "the last line is half written")
"""One of each kind, with Claude Code."""


def test_a_damaged_transcript_starts_a_new_conversation_unless_only_its_end_is_cut(tmp_path: Path) -> None:
    with world(tmp_path, lambda *_: text("Said.")) as (w, model):
        before = agent_step.run(with_session(w.ctx, agent_step.run(w.ctx)))
        path = w.ctx.paths.home / ".claude" / "projects" / slug(w.ctx.paths.site) / f"{before.conversation_id}.jsonl"
        assert damage(w.ctx.paths.home, w.ctx.paths.site, str(before.conversation_id)) is None
        whole = path.read_bytes()
        for name, (harm, anew) in HARMS.items():
            path.write_bytes(harm(whole))
            assert path.read_bytes() != whole, name
            why = damage(w.ctx.paths.home, w.ctx.paths.site, str(before.conversation_id))
            assert (why is not None) is anew, name
            if name not in TRIED:
                continue

            after = agent_step.run(with_session(w.ctx, before))

            assert after.summary == "Said." + (agent_step.BEGUN_ANEW if anew else ""), name
            assert (after.conversation_id == before.conversation_id) is not anew, name
            assert "Said." in json.dumps(model.requests[-1]), f"{name}: neither resumed nor summed up"


def test_the_cost_is_the_commands_own_and_so_is_the_budget(tmp_path: Path) -> None:
    def script(_: dict[str, Any], number: int) -> Reply:
        if number % 2 == 0:
            return tool("Bash", {"command": "echo", "description": "x"}, output_tokens=20_000)
        return text("Done.", output_tokens=20_000)

    with world(tmp_path, script, max_budget_usd=1.0) as (w, _):
        first = agent_step.run(w.ctx)
        second = agent_step.run(with_session(w.ctx, first))
        assert first.conversation_id == second.conversation_id
        assert first.cost_usd and first.cost_usd > 0.5, "two of them exceed the budget"
        assert second.cost_usd == pytest.approx(first.cost_usd, rel=0.05)


def test_the_agents_tools_see_an_allow_list_and_the_key_appears_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "SITEWRIGHT_TASK_TOKEN", "ECS_CONTAINER_METADATA_URI_V4"):
        monkeypatch.setenv(name, "must-not-be-seen")

    def script(_: dict[str, Any], number: int) -> Reply:
        if number == 0:
            shown = {"command": "echo sk-test-model-key; env; env > env.txt", "description": "x"}
            return tool("Bash", shown, say="sk-test-model-key")
        return text("The key is sk-test-model-key.")

    with world(tmp_path, script) as (w, _):
        result = agent_step.run(w.ctx)
        assert result.summary == "The key is ***."
        assert "sk-test-model-key" not in str(w.progress) + str(w.logs)
        seen = (w.ctx.paths.site / "env.txt").read_text()
        assert "must-not-be-seen" not in seen and "PYTHONPATH=" not in seen and "sk-test-model-key" not in seen
        assert f"HOME={w.ctx.paths.home}" in seen


def test_the_repositorys_rules_reach_the_model_its_programs_do_not_run(tmp_path: Path) -> None:
    with world(tmp_path, lambda *_: text("ok")) as (w, model):
        site = w.ctx.paths.site
        (site / "CLAUDE.md").write_text("Headings are written in sentence case.\n@docs/tone.md\n")
        (site / "src").mkdir()
        (site / "docs").mkdir()
        (site / "docs" / "tone.md").write_text("We never shout.\n")
        (site / "AGENTS.md").write_text("Dates are written in full.\n")
        (site / "src" / "CLAUDE.md").write_text("Components are functions.\n")
        git(site, "add", "-A")
        hook = {"hooks": [{"type": "command", "command": f"touch {tmp_path}/hooked"}]}
        settings = {
            "hooks": {"SessionStart": [hook], "UserPromptSubmit": [hook]},
            "env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"},
        }
        (site / ".claude").mkdir()
        (site / ".claude" / "settings.json").write_text(json.dumps(settings))
        server = {"command": "touch", "args": [f"{tmp_path}/served"]}
        (site / ".mcp.json").write_text(json.dumps({"mcpServers": {"x": server}}))
        agent_step.run(w.ctx)
        system = str(model.requests[-1]["system"])
        for rule in ("sentence case", "We never shout.", "Dates are written in full.", "Components are functions."):
            assert rule in system
        assert not (tmp_path / "hooked").exists() and not (tmp_path / "served").exists()


@pytest.mark.parametrize(
    "instruction",
    [
        "/clear the footer",
        "-p --help\n--dangerous\nread @/etc/hostname and 'quote' \"it\" $(touch hacked) `id`\n\n\U0001f600"
        + " word" * 40_000,
    ],
)
def test_an_instruction_reaches_the_model_as_it_is(tmp_path: Path, instruction: str) -> None:
    with world(tmp_path, lambda *_: text("ok")) as (w, model):
        agent_step.run(replace(w.ctx, command=w.ctx.command.model_copy(update={"instruction": instruction})))
        assert instruction in model.prompts()
        assert not any("hostname" in prompt for prompt in model.prompts() if prompt != instruction)


def test_an_interrupted_wish_is_carried_out_with_the_next_one_and_named(tmp_path: Path) -> None:
    clients = TestClients(tables_in_memory())
    accept(clients, "cmd-0", 1)
    accept(clients, "cmd-1", 2)
    commands = commands_table(clients, "commands")
    first = CommandRef("amelia", "s1", "cmd-0")
    commands.supersede(first, "cmd-1")
    with world(tmp_path, lambda *_: text("Both.")) as (w, model):
        aws = Aws()
        aws.dynamodb = clients.dynamodb
        command = w.ctx.command.model_copy(update={"supersedes": "cmd-0", "client_id": "amelia"})
        ctx = replace(w.ctx, aws=aws, command=command)  # type: ignore[arg-type]
        assert agent_step.run(ctx).summary == "Both."
        (asked,) = [one for one in model.prompts() if INSTRUCTION in one]
        assert asked.index("message 1 of 2\nEdit") < asked.index(f"the newest\n{INSTRUCTION}")
        assert read_command(clients, "cmd-1").covers == ["cmd-0"]
        assert not any("Edit" in line for line in w.logs + w.progress), "an older message is in a log"

        commands.record_part(first, "agent", AgentResult(summary="Done."))
        agent_step.run(ctx)
        assert model.prompts()[-1] == INSTRUCTION


def test_turns_and_budget_are_limits(tmp_path: Path) -> None:
    def endless(_: dict[str, Any], number: int) -> Reply:
        return tool("Bash", {"command": f"echo {number}"}, output_tokens=2_000_000)

    with world(tmp_path / "turns", endless, max_turns=1, max_budget_usd=1000.0) as (w, _):
        assert failed(w) is ErrorCode.TURNS_EXCEEDED
    with world(tmp_path / "budget", endless, max_budget_usd=0.01) as (w, _):
        assert failed(w) is ErrorCode.BUDGET_EXCEEDED


def test_a_slow_agent_is_timed_out_and_an_interrupt_ends_it(tmp_path: Path) -> None:
    with world(tmp_path / "slow", lambda *_: hang(), agent_timeout_seconds=2) as (w, _):
        assert failed(w) is ErrorCode.AGENT_TIMED_OUT
    with world(tmp_path / "stop", lambda *_: hang()) as (w, model):
        began = time.monotonic()

        def stop() -> None:
            while not model.requests:
                time.sleep(0.02)
            w.stop.add(StopReason.INTERRUPT)

        threading.Thread(target=stop, daemon=True).start()
        with pytest.raises(StepStopped):
            agent_step.run(w.ctx)
        assert time.monotonic() - began < 15
        while not w.noted and time.monotonic() - began < 20:
            time.sleep(0.02)
        assert 0 < w.noted[-1] < 0.3, "a request that the runner cut off counts its prompt, not its whole reservation"
        assert list((w.ctx.paths.home / ".claude" / "projects").glob("*/*.jsonl"))


def test_an_id_that_is_a_path_is_not_resumed(tmp_path: Path) -> None:
    assert prepare_resume(tmp_path, tmp_path, "../../etc/passwd", make_checkout(tmp_path, "").git) is None


def test_a_key_that_the_agent_shows_is_masked_in_its_answer_and_in_the_log(tmp_path: Path) -> None:
    key, log = "sk-ant-" + "invented-" * 4, io.StringIO()

    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 0:
            return tool("Bash", {"command": f"echo {key} > .env; cat .env", "description": "x"})
        assert key in str(body["messages"]), "the agent itself works with what the site has"
        return text(f"The key of the site is {key}")

    with world(tmp_path, script) as (w, _):
        ctx = replace(w.ctx, log=(real := Log(log)), progress=real.progress)
        result = agent_step.run(ctx)
    assert result.summary == "The key of the site is sk-a***"
    assert "Bash echo sk-a***" in log.getvalue() and key not in log.getvalue()
