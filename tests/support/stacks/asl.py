"""A small interpreter of the Amazon States Language in JSONata, for tests: what a run does when its tasks do this or that.

It walks Task, Choice, Pass, Succeed and Fail states with Arguments, Assign, Output, Retry and Catch. Tasks answer from a
script. Where Step Functions is strict this is too: a variable that nobody assigned is an error, not an empty value.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jsonata

Json = dict[str, Any]


class StatesError(Exception):
    """A task or a state failed with an error name, as `ErrorEquals` and Fail know it."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class Call:
    """One attempt of one task."""

    state: str
    resource: str
    arguments: Any
    token: str


@dataclass
class Run:
    """What came of an execution."""

    status: str = "RUNNING"
    output: Any = None
    error: str | None = None
    cause: str | None = None
    path: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    variables: Json = field(default_factory=dict)

    def attempts(self, state: str) -> int:
        """How often a task was tried."""
        return sum(call.state == state for call in self.calls)


Outcome = Any
"""A task's result (JSON), a StatesError to raise, or a function from Call to a result."""

MAX_STATES = 100


def interpret(machine: Json, execution_input: Json, script: dict[str, list[Outcome]]) -> Run:
    """Runs the machine. `script` maps a task's name to its outcomes, attempt by attempt; the last one is repeated."""
    return _Interpreter(machine, execution_input, script).run()


class _Interpreter:
    def __init__(self, machine: Json, execution_input: Json, script: dict[str, list[Outcome]]) -> None:
        assert machine["QueryLanguage"] == "JSONata"
        self.machine = machine
        self.script = script
        self.execution_input = execution_input
        self.result = Run()

    def run(self) -> Run:
        run, name, data = self.result, self.machine["StartAt"], self.execution_input
        try:
            while len(run.path) < MAX_STATES:
                run.path.append(name)
                state = self.machine["States"][name]
                following, data = self._state(name, state, data)
                if following is None:
                    run.status, run.output = "SUCCEEDED", data
                    return run
                name = following
        except StatesError as failed:
            run.status, run.error, run.cause = "FAILED", failed.error, failed.cause
            return run
        raise AssertionError(f"the machine goes round in circles: {run.path[-10:]}")

    def _state(self, name: str, state: Json, data: Any) -> tuple[str | None, Any]:
        states = {"input": data, "context": self._context(name)}
        match state["Type"]:
            case "Fail":
                raise StatesError(self._value(state["Error"], states), self._value(state.get("Cause", ""), states))
            case "Succeed":
                return None, self._output(state, states, data)
            case "Pass":
                return self._leave(state, states, data)
            case "Choice":
                for rule in state["Choices"]:
                    if self._value(rule["Condition"], states) is True:
                        return self._leave(rule, states, data)
                if "Default" not in state:
                    raise StatesError("States.NoChoiceMatched")
                return self._leave({**state, "Next": state["Default"]}, states, data)
            case "Task":
                return self._task(name, state, data)
            case other:
                raise NotImplementedError(f"{name}: a state of type {other}")

    def _task(self, name: str, state: Json, data: Any) -> tuple[str | None, Any]:
        retried = [0] * len(state.get("Retry", []))
        while True:
            states = {"input": data, "context": self._context(name)}
            try:
                result = self._attempt(name, state, states)
                return self._leave(state, {**states, "result": result}, result)
            except StatesError as error:
                if self._is_retried(state, error, retried):
                    continue
                for catch in state.get("Catch", []):
                    if _matches(catch["ErrorEquals"], error):
                        failure = {"Error": error.error, "Cause": error.cause}
                        return self._leave(catch, {**states, "errorOutput": failure}, failure)
                raise

    def _is_retried(self, state: Json, error: StatesError, retried: list[int]) -> bool:
        # Each retrier counts for itself; only the first that matches is asked.
        for i, retry in enumerate(state.get("Retry", [])):
            if _matches(retry["ErrorEquals"], error):
                retried[i] += 1
                return bool(retried[i] <= retry.get("MaxAttempts", 3))
        return False

    def _attempt(self, name: str, state: Json, states: Json) -> Any:
        arguments = self._value(state.get("Arguments", states["input"]), states)
        number = self.result.attempts(name)
        call = Call(name, state["Resource"], arguments, states["context"]["Task"]["Token"])
        self.result.calls.append(call)
        outcomes = self.script[name]
        outcome = outcomes[min(number, len(outcomes) - 1)]
        if isinstance(outcome, Exception):
            raise outcome
        answer = outcome(call) if isinstance(outcome, Callable) else outcome
        return {"Payload": answer, "StatusCode": 200} if "lambda:invoke" in state["Resource"] else answer

    def _leave(self, state: Json, states: Json, default: Any) -> tuple[str | None, Any]:
        """Assign and Output are evaluated side by side: neither sees the other's outcome."""
        assigned = {key: self._value(value, states) for key, value in state.get("Assign", {}).items()}
        output = self._output(state, states, default)
        self.result.variables.update(assigned)
        return (None if state.get("End") else state["Next"]), output

    def _output(self, state: Json, states: Json, default: Any) -> Any:
        return self._value(state["Output"], states) if "Output" in state else default

    def _value(self, template: Any, states: Json) -> Any:
        if isinstance(template, dict):
            return {key: self._value(value, states) for key, value in template.items()}
        if isinstance(template, list):
            return [self._value(value, states) for value in template]
        if isinstance(template, str) and template.startswith("{%") and template.endswith("%}"):
            return self._expression(template[2:-2].strip(), states)
        return template

    def _expression(self, text: str, states: Json) -> Any:
        expression = jsonata.Jsonata(text)
        frame = expression.create_frame()
        for name, value in {**self.result.variables, "states": states}.items():
            # jsonata-python takes a bound None for undefined.
            frame.bind(name, jsonata.utils.Utils.NULL_VALUE if value is None else copy.deepcopy(value))
        try:
            value = expression.evaluate(None, frame)
        except jsonata.JException as error:
            raise StatesError("States.QueryEvaluationError", f"{text}: {error}") from error
        if value is None and text != "null" and not self._is_null(text):
            raise StatesError("States.QueryEvaluationError", f"{text}: is undefined")
        return None if value is jsonata.utils.Utils.NULL_VALUE else value

    def _is_null(self, text: str) -> bool:
        # The evaluation gives None for null and for undefined alike; a plain variable tells them apart.
        found = re.fullmatch(r"\$(\w+)", text)
        return bool(found and found[1] in self.result.variables)

    def _context(self, name: str) -> Json:
        token = f"token-{name}-{self.result.attempts(name) + 1}"
        return {"Execution": {"Input": self.execution_input}, "State": {"Name": name}, "Task": {"Token": token}}


def _matches(names: list[str], error: StatesError) -> bool:
    if error.error in names:
        return True
    # A state that got no heartbeat in time has timed out as well (Amazon States Language, "Timeouts and heartbeats").
    if error.error == "States.HeartbeatTimeout" and "States.Timeout" in names:
        return True
    if "States.TaskFailed" in names and error.error != "States.Timeout":
        return True
    return "States.ALL" in names
