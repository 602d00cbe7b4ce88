"""A warm workspace in the background."""

import uuid
from dataclasses import replace
from typing import Any

from workspace.lifecycle.runner import Runner

from sitewright.contracts.steps import StepName, StepRequest
from tests.support.workspace.runner_parts import request as core_request
from tests.support.workspace.runner_world import World, in_background, wait_for


class Warm:
    """A workspace in the background, and the state machine's side of its mailbox."""

    def __init__(self, world: World, *, idle: float = 60.0, step_gap: float = 0.0) -> None:
        self.world = world
        world.clients.sfn.once = True
        made = world.prepare(StepName.AGENT, idle_seconds=idle)
        self.runner: Runner = replace(made, timing=replace(made.timing, step_gap=step_gap))
        self.thread, self.codes = in_background(self.runner.run)

    def offer(self, step: StepName, command: str = "cmd-1", generation: int = 1) -> StepRequest:
        from boto3.dynamodb.types import TypeSerializer

        made = core_request(step, command, generation).model_copy(update={"task_token": f"offer-{uuid.uuid4()}"})
        self.world.clients.dynamodb.update_item(
            TableName="sessions",
            Key={"clientSession": {"S": "amelia#s1"}},
            UpdateExpression="SET mailbox = :mail",
            ConditionExpression="attribute_exists(aliveUntil)",
            ExpressionAttributeValues={":mail": TypeSerializer().serialize(made.to_item())},
        )
        return made

    def answer(self, token: str) -> tuple[str, dict[str, str]]:
        """Waits for a token's report and returns it."""
        wait_for(lambda: self.answers(token) != [])
        (found,) = self.answers(token)
        return found

    def answers(self, token: str) -> list[tuple[str, dict[str, str]]]:
        return [(kind, values) for kind, values in self.world.clients.sfn.reports if values["taskToken"] == token]

    def first(self) -> tuple[str, dict[str, str]]:
        return self.answer("task-token-of-agent-cmd-1")

    def end_idle(self) -> None:
        """Lets the idle time pass, and waits for the workspace's end."""
        self.world.hurried = 60.0
        self.end()

    def end(self, code: int = 0) -> None:
        self.thread.join(40)
        assert self.codes == [code]

    def events(self, message: str) -> list[dict[str, Any]]:
        return self.world.events(message)
