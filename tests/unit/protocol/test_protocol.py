"""The session protocol under random interleavings: one writer, one answer, no offer lost."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from workspace.steps import build_step

from tests.support.protocol.session_world import Workspace, World

which = st.integers(0, 3)
seconds = st.sampled_from([0.1, 1.0, 5.0, 15.0, 40.0, 200.0])
TOTAL: Counter[str] = Counter()


class Protocol(RuleBasedStateMachine):
    idle_seconds = 20.0

    @initialize()
    def begin(self) -> None:
        self.patch = patch.object(build_step, "publish_partial", self._publish_partial)
        self.patch.start()
        self.world, self.stopped = World(idle_seconds=self.idle_seconds), False
        self.world.send()
        self.world.deliver()

    def _publish_partial(self, ctx: Any) -> int:
        ctx.fence.verify()
        assert self.world.actor is not None
        self.world.actor.wrote("partial publish", saving=True)
        return 1

    @rule()
    def command(self) -> None:
        if self.world.commands < 4:
            self.world.send()

    @rule(again=st.none() | which)
    def message(self, again: int | None) -> None:
        self.world.deliver(again=again)

    @rule(which=which, again=st.booleans())
    def event(self, which: int, again: bool) -> None:
        self.world.event(which, again=again)

    @rule(which=which)
    def state(self, which: int) -> None:
        self.world.advance(which)

    @rule(which=which, times=st.integers(1, 4))
    def workspace(self, which: int, times: int) -> None:
        for _ in range(times):
            self.world.move(which)

    @rule(which=which)
    def refresher(self, which: int) -> None:
        self.world.move(which, Workspace.tick)

    @rule(which=which)
    def goes_well(self, which: int) -> None:
        """Runs some states and steps without faults, so that runs get beyond their first step."""
        for _ in range(6):
            self.world.advance(which)
            self.world.move(which, Workspace.tick)
            self.world.move(which)

    @rule(which=which)
    def goes_well_too(self, which: int) -> None:
        self.goes_well(which)

    @rule(which=which)
    def checkpoint(self, which: int) -> None:
        self.world.move(which, Workspace.checkpoint)

    @rule(which=which)
    def wip_push(self, which: int) -> None:
        self.world.move(which, Workspace.pushes)

    @rule(which=which, bug=st.booleans())
    def step_fails(self, which: int, bug: bool) -> None:
        self.world.move(which, lambda w: w.fail(bug=bug))

    @rule(which=which)
    def crash(self, which: int) -> None:
        self.world.kill(which)

    @rule(which=which)
    def sigterm(self, which: int) -> None:
        self.world.move(which, Workspace.terminate)

    @rule(which=which)
    def freeze(self, which: int) -> None:
        self.world.freeze(which)

    @rule()
    def thaw(self) -> None:
        self.world.thaw()

    @rule()
    def operator_stops_the_run(self) -> None:
        self.stop_run()

    def stop_run(self) -> None:
        # This is rare. Otherwise most runs would end before their first event.
        if not self.stopped and self.world.now > 1_000_050:
            self.stopped = True
            self.world.operator_stops()

    @rule()
    def sweep(self) -> None:
        self.world.sweep()

    @rule(seconds=seconds)
    def time(self, seconds: float) -> None:
        self.world.passes(seconds)

    @rule(
        kind=st.sampled_from(["lost", "killed before", "killed after", "meanwhile before", "meanwhile after"]),
        after=st.integers(0, 6),
        meanwhile=st.lists(
            st.sampled_from(["command", "move", "state", "event", "time", "refresher", "stop"]), max_size=8
        ),
        which=which,
    )
    def fault(self, kind: str, after: int, meanwhile: list[str], which: int) -> None:
        world = self.world

        def happens() -> None:
            """Lets other parts act in the middle of a call of a workspace or a function."""
            frozen, was = world.actor, world.actor.frozen if world.actor else False
            if frozen:
                frozen.frozen = True
            try:
                for what in meanwhile:
                    {
                        "command": lambda: (world.send(), world.deliver()) if world.commands < 4 else None,
                        "move": lambda: world.move(which),
                        "state": lambda: world.advance(which),
                        "event": lambda: world.event(which),
                        "time": lambda: world.passes(12.0),
                        "refresher": lambda: world.move(which, Workspace.tick),
                        "stop": self.stop_run,
                    }[what]()
            finally:
                if frozen:
                    frozen.frozen = was

        world.fault = (kind, after, happens)

    @invariant()
    def an_answer_is_of_a_command(self) -> None:
        if hasattr(self, "world"):
            assert len(self.world.sent) <= self.world.commands

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        try:
            world.settle()
            assert len(world.sent) == world.commands, world.describe()
            assert not world.unanswered
            for token in world.sfn.tokens:
                assert not world.sfn.is_open(token)
            session = world.dynamodb.tables["sessions"][("amelia#s",)]
            assert "workspaceId" not in session, session
            answers = [json.loads(body) for body in world.sent.values()]
            assert world.spent() == sum(Decimal(str(a["costUsd"])) for a in answers if a["costUsd"] is not None)
            TOTAL.update(kind for _, kind, _ in world.writes)
            TOTAL.update(r.status for r in world.sfn.executions.values())
            TOTAL.update(world.faults)
            TOTAL["workspaces"] += len(world.workspaces)
            TOTAL["worlds"] += 1
        finally:
            self.patch.stop()


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)


class ProtocolWithoutIdleTime(Protocol):
    """The protocol of a site with `idleSeconds` 0."""

    idle_seconds = 0.0


TestProtocolWithoutIdleTime = ProtocolWithoutIdleTime.TestCase
TestProtocolWithoutIdleTime.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)


@pytest.mark.parametrize("idle_seconds", [0.0, 20.0])
def test_a_command_is_done_by_one_workspace(idle_seconds: float) -> None:
    world = World(idle_seconds=idle_seconds)
    for number in (1, 2):
        world.send()
        world.settle()
        assert len(world.sent) == number
        assert len(world.workspaces) == number, "the workspace of the command before has ended"
        assert [r.status for r in world.sfn.executions.values()] == ["SUCCEEDED"] * number
    kinds = [kind for _, kind, _ in world.writes if kind != "checkpoint"]
    assert kinds == ["publish", "push"] * 2


def test_without_idle_time_a_workspace_ends_with_the_command() -> None:
    world = World(idle_seconds=0.0)
    world.send()
    world.deliver()
    for _ in range(40):
        world.event(0)
        world.advance(0)
        world.move(0, Workspace.tick)
        world.move(0)
    # No time has passed by the world's clock.
    assert [workspace.phase for workspace in world.workspaces] == ["gone"]
    world.settle()
    assert len(world.sent) == 1
