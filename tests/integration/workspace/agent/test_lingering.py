"""Claude Code that stays after its result, and one that says nothing. A small driver plays them."""

import sys
import threading
import time
from pathlib import Path

import pytest
from workspace.agent.driver_messages import DriverEvent
from workspace.agent.run_watch import RunWatch
from workspace.errors import StepFailed
from workspace.steps import agent_step
from workspace.system.prestarted_process import Program

from sitewright.contracts.error_codes import ErrorCode
from tests.support.workspace.agent_world import World, world
from tests.support.workspace.fake_model import text

PLAYS = """
import json, sys, time
sys.stdin.read()
with open(sys.argv[1], "a") as starts:
    starts.write(".")
with open(sys.argv[1]) as starts:
    play = sys.argv[2].split("|")[min(len(starts.read()), len(sys.argv[2].split("|"))) - 1]
def tell(kind, **more):
    print(json.dumps({"sitewrightAgent": kind, **more}), flush=True)
if play in ("works", "lingers"):
    tell("start")
    tell("result", subtype="success", text="Done.", spoke=True)
if play == "breaks":
    tell("error", text="no such option")
try:
    if play in ("lingers", "hangs"):
        time.sleep(120)
except KeyboardInterrupt:
    tell("error", text="exited with -2")
"""


def played(w: World, plays: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replaces the driver: its first start plays the first play, and so on. Returns the file that counts the starts."""
    root = w.ctx.paths.root
    (root / "driver.py").write_text(PLAYS)
    argv = (sys.executable, "-IS", str(root / "driver.py"), str(root / "starts"), plays)
    monkeypatch.setattr(agent_step, "driver_program", lambda settings: Program(argv, root, settings.inherited))
    monkeypatch.setattr(agent_step, "RunWatch", lambda: RunWatch(linger=0.3, silence=1.0))
    return root / "starts"


@pytest.mark.parametrize(
    ("plays", "starts"), [("works", 1), ("lingers", 1), ("hangs|works", 2), ("breaks|lingers", 2), ("leaves|works", 2)]
)
def test_a_result_ends_the_run_and_silence_starts_it_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plays: str, starts: int
) -> None:
    with world(tmp_path, lambda *_: text("unasked")) as (w, _):
        counted, began = played(w, plays, monkeypatch), time.monotonic()
        assert agent_step.run(w.ctx).summary == "Done."
        assert time.monotonic() - began < 15, "it waited for the program's own end"
        assert len(counted.read_text()) == starts


def test_silence_twice_is_a_failed_agent_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path, lambda *_: text("unasked")) as (w, _):
        counted = played(w, "hangs", monkeypatch)
        with pytest.raises(StepFailed) as caught:
            agent_step.run(w.ctx)
        assert caught.value.error.code is ErrorCode.AGENT_FAILED
        assert "said nothing for 1 s" in caught.value.error.message
        assert len(counted.read_text()) == 2


def test_claude_codes_first_message_does_not_wait_for_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()

    class Noted(RunWatch):
        def note(self, event: DriverEvent) -> None:
            super().note(event)
            if event.sitewright_agent == "start":
                started.set()

    monkeypatch.setattr(agent_step, "RunWatch", Noted)
    with world(tmp_path, lambda *_: text("In time." if started.wait(20) else "Too late.")) as (w, _):
        assert agent_step.run(w.ctx).summary == "In time.", "a slow model would be taken for silence"
