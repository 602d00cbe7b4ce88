"""A model of Step Functions for the protocol: the deployed definition, a fake clock, tokens and time limits.

Each execution moves by `step`. So any event can come between a report and the next state.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sitewright.contracts.steps import ExecutionInput
from sitewright.tables.keys import client_session, client_session_jsonata
from stacks.jsonata import is_positive, is_true
from stacks.site.workflow import definition
from stacks.site.workflow_states import INPUT
from tests.support.stacks.asl import Json, StatesError, Step, Walk
from tests.support.stacks.workflow_parts import PARTS

MACHINE = definition(PARTS)
KEY = client_session_jsonata(f"{INPUT}.clientId", f"{INPUT}.sessionId").strip("{}% ")


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "StepFunctions")


class _ShortcutWalk(Walk):
    """A Walk with shortcuts for common expressions, because jsonata-python takes milliseconds for each."""

    def __init__(self, execution_input: Json, millis: Callable[[], int]) -> None:
        super().__init__(MACHINE, execution_input)
        self.millis = millis

    def _expression(self, text: str, scope: Json) -> Any:
        if text == "$string($millis())":
            return str(self.millis())
        if text == is_positive("$agent.filesChangedCount"):
            return self.variables["agent"]["filesChangedCount"] > 0
        if text == is_true("$build.deploySuccess"):
            return self.variables["build"]["deploySuccess"]
        if text == "$states.context.Task.Token":
            return scope["context"]["Task"]["Token"]
        for name, value in self.execution_input.items():
            if text in {f"$states.context.Execution.Input.{name}", f"$string($states.context.Execution.Input.{name})"}:
                return str(value) if text.startswith("$string") else value
        if text == KEY:
            return client_session(ExecutionInput.model_validate(self.execution_input))
        if text == "$states.result":
            return scope["result"]
        return super()._expression(text, scope)


@dataclass
class Execution:
    arn: str
    input: Json
    walk: Walk
    state: str = MACHINE["StartAt"]
    data: Any = None
    status: str = "RUNNING"
    error: str | None = None
    cause: str | None = None
    stopped_at: float = 0
    entering: bool = True
    """Whether the next `step` begins or retries the state."""
    token: str | None = None
    retried: list[int] = field(default_factory=list)
    beat_until: float = 0
    ends_at: float = 0
    path: list[str] = field(default_factory=list)


@dataclass
class StepFunctions:
    """The service. `update_item` and `run_task` are its integrations. It calls `ended` with every ended execution."""

    clock: Callable[[], float]
    update_item: Callable[..., Any]
    run_task: Callable[[Json], None]
    ended: Callable[[Execution], None]
    executions: dict[str, Execution] = field(default_factory=dict)
    tokens: dict[str, Execution] = field(default_factory=dict)

    # The API

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        known = self.executions.get(arn)
        if known is not None:
            if known.status == "RUNNING" and known.input == json.loads(input):
                return
            raise refused("ExecutionAlreadyExists")
        values = json.loads(input)
        self.executions[arn] = Execution(arn, values, _ShortcutWalk(values, lambda: int(self.clock() * 1000)))

    def stop_execution(self, *, executionArn: str, error: str = "", cause: str = "") -> None:
        run = self._run(executionArn)
        if run.status == "RUNNING":
            self._end(run, "ABORTED", error, cause)

    def describe_execution(self, *, executionArn: str) -> Json:
        run = self._run(executionArn)
        stopped = {"stopDate": datetime.fromtimestamp(run.stopped_at, UTC)} if run.status != "RUNNING" else {}
        return {"status": run.status, "error": run.error, "cause": run.cause, **stopped}

    def send_task_heartbeat(self, *, taskToken: str) -> None:
        run = self._waiting(taskToken)
        run.beat_until = self.clock() + MACHINE["States"][run.state]["HeartbeatSeconds"]

    def send_task_success(self, *, taskToken: str, output: str) -> None:
        self._leave(self._waiting(taskToken), json.loads(output))

    def send_task_failure(self, *, taskToken: str, error: str, cause: str) -> None:
        self._fail(self._waiting(taskToken), StatesError(str(error), cause))

    # Actions of the world

    @property
    def running(self) -> list[Execution]:
        return [run for run in self.executions.values() if run.status == "RUNNING"]

    def is_open(self, token: str) -> bool:
        return token in self.tokens and self.tokens[token].token == token

    def step(self, run: Execution) -> None:
        """Begins the next state."""
        if run.status != "RUNNING" or not run.entering:
            return
        run.entering = False
        state = MACHINE["States"][run.state]
        if not run.path or run.path[-1] != run.state:
            run.path.append(run.state)
        if state["Type"] != "Task":
            self._follow(run, lambda: run.walk.enter(run.state, run.data))
            return
        if "lambda:invoke" in state["Resource"]:
            self._leave(run, {"Payload": "answer"})
            return
        run.token = f"{run.state}-{len(self.tokens)}"
        self.tokens[run.token] = run
        run.beat_until = self.clock() + state["HeartbeatSeconds"]
        run.ends_at = self.clock() + state["TimeoutSeconds"]
        arguments = run.walk.arguments(run.state, run.data, run.token)
        if "runTask" in state["Resource"]:
            self.run_task(arguments)
            return
        token = run.token
        try:
            self.update_item(**arguments)
        except ClientError as error:
            if run.token == token:
                name = error.response["Error"]["Code"]
                self._fail(run, StatesError(f"DynamoDb.{name}"))

    def pass_time(self) -> None:
        """Ends states over their time limit."""
        for run in self.running:
            if run.token is not None and self.clock() >= run.ends_at:
                self._fail(run, StatesError("States.Timeout"))
            elif run.token is not None and self.clock() >= run.beat_until:
                self._fail(run, StatesError("States.HeartbeatTimeout"))

    def _leave(self, run: Execution, result: Any) -> None:
        self._follow(run, lambda: run.walk.succeed(run.state, run.data, result))

    def _fail(self, run: Execution, error: StatesError) -> None:
        run.token = None
        self._follow(run, lambda: run.walk.fail(run.state, run.data, error, run.retried))

    def _follow(self, run: Execution, walk: Callable[[], Step | None]) -> None:
        try:
            step = walk()
        except StatesError as failed:
            self._end(run, "FAILED", failed.error, failed.cause)
            return
        if step is None:
            run.entering = True
            return
        following, run.data = step
        if following is None:
            self._end(run, "SUCCEEDED", None, None)
        else:
            self._enter(run, following)

    def _enter(self, run: Execution, state: str) -> None:
        run.state, run.entering, run.token, run.retried = state, True, None, []

    def _end(self, run: Execution, status: str, error: str | None, cause: str | None) -> None:
        run.status, run.error, run.cause, run.token, run.entering = status, error, cause, None, False
        run.stopped_at = self.clock()
        self.ended(run)

    def _run(self, arn: str) -> Execution:
        if arn not in self.executions:
            raise refused("ExecutionDoesNotExist")
        return self.executions[arn]

    def _waiting(self, token: str) -> Execution:
        if not self.is_open(token):
            raise refused("TaskTimedOut")
        return self.tokens[token]
