"""An interpreter of the Amazon States Language with JSONata, for tests of state machines.

`Walk` knows the states Task, Choice, Wait, Pass, Succeed and Fail with Arguments, Assign, Output, Retry and Catch.
`interpret` drives a `Walk` through a whole run, with scripted answers of the tasks. The protocol's model of Step
Functions drives it one state at a time. It is as strict as Step Functions: an unassigned variable is an error, not an
empty value.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jsonata

Json = dict[str, Any]


class StatesError(Exception):
    """A task or state failed with an error name as in `ErrorEquals` and Fail."""

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
    """The outcome of an execution."""

    status: str = "RUNNING"
    output: Any = None
    error: str | None = None
    cause: str | None = None
    path: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def attempts(self, state: str) -> int:
        """Returns the number of attempts of a task."""
        return sum(call.state == state for call in self.calls)


Outcome = Any
"""A task's result (JSON), a StatesError to raise, or a function from Call to a result."""

Step = tuple[str | None, Any]
"""The next state (None at the end) and its input."""

MAX_STATES = 500


def interpret(machine: Json, execution_input: Json, script: dict[str, list[Outcome]]) -> Run:
    """Runs the machine. `script` maps a task's name to the outcomes of its attempts; the last one is repeated."""
    walk, run = Walk(machine, execution_input), Run()
    name, data = machine["StartAt"], execution_input
    try:
        while len(run.path) < MAX_STATES:
            run.path.append(name)
            following, data = _task(walk, run, name, data, script) if walk.is_task(name) else walk.enter(name, data)
            if following is None:
                run.status, run.output = "SUCCEEDED", data
                return run
            name = following
    except StatesError as failed:
        run.status, run.error, run.cause = "FAILED", failed.error, failed.cause
        return run
    raise AssertionError(f"the machine goes round in circles: {run.path[-10:]}")


def _task(walk: "Walk", run: Run, name: str, data: Any, script: dict[str, list[Outcome]]) -> Step:
    retried: list[int] = []
    while True:
        number = run.attempts(name)
        token = f"token-{name}-{number + 1}"
        try:
            call = Call(name, walk.states[name]["Resource"], walk.arguments(name, data, token), token)
            run.calls.append(call)
            outcome = script[name][min(number, len(script[name]) - 1)]
            if isinstance(outcome, Exception):
                raise outcome
            answer = outcome(call) if isinstance(outcome, Callable) else outcome
            result = {"Payload": answer, "StatusCode": 200} if "lambda:invoke" in call.resource else answer
            return walk.succeed(name, data, result)
        except StatesError as error:
            following = walk.fail(name, data, error, retried)
            if following is not None:
                return following


class Walk:
    """One execution: its variables, and the transitions of its states."""

    def __init__(self, machine: Json, execution_input: Json) -> None:
        assert machine["QueryLanguage"] == "JSONata"
        self.states: Json = machine["States"]
        self.execution_input = execution_input
        self.variables: Json = {}

    def is_task(self, name: str) -> bool:
        return bool(self.states[name]["Type"] == "Task")

    def enter(self, name: str, data: Any) -> Step:
        """Does a state that waits for no task. Raises StatesError: the run fails."""
        state, scope = self.states[name], self._scope(name, data)
        match state["Type"]:
            case "Fail":
                raise StatesError(self._value(state["Error"], scope), self._value(state.get("Cause", ""), scope))
            case "Succeed":
                return None, self._output(state, scope, data)
            case "Wait":
                self._value(state["Seconds"], scope)
                return self._leave(state, scope, data)
            case "Pass":
                return self._leave(state, scope, data)
            case "Choice":
                for rule in state["Choices"]:
                    answer = self._value(rule["Condition"], scope)
                    if not isinstance(answer, bool):
                        raise StatesError("States.QueryEvaluationError", f"{rule['Condition']} is no boolean: {answer}")
                    if answer:
                        return self._leave(rule, scope, data)
                if "Default" not in state:
                    raise StatesError("States.NoChoiceMatched")
                return self._leave({**state, "Next": state["Default"]}, scope, data)
            case other:
                raise NotImplementedError(f"{name}: a state of type {other}")

    def arguments(self, name: str, data: Any, token: str) -> Any:
        """Returns a task's arguments. Raises StatesError."""
        return self._value(self.states[name].get("Arguments", data), self._scope(name, data, token))

    def succeed(self, name: str, data: Any, result: Any) -> Step:
        """Completes a task with its result. Raises StatesError."""
        return self._leave(self.states[name], {**self._scope(name, data), "result": result}, result)

    def fail(self, name: str, data: Any, error: StatesError, retried: list[int]) -> Step | None:
        """Fails a task. Returns None if it is retried. `retried` counts for each retrier. Raises an uncaught error."""
        state = self.states[name]
        if self._is_retried(state, error, retried):
            return None
        for catch in state.get("Catch", []):
            if _matches(catch["ErrorEquals"], error):
                failure = {"Error": error.error, "Cause": error.cause}
                return self._leave(catch, {**self._scope(name, data), "errorOutput": failure}, failure)
        raise error

    def _is_retried(self, state: Json, error: StatesError, retried: list[int]) -> bool:
        # Each retrier has its own count. Only the first match applies.
        retriers = state.get("Retry", [])
        retried += [0] * (len(retriers) - len(retried))
        for i, retry in enumerate(retriers):
            if _matches(retry["ErrorEquals"], error):
                retried[i] += 1
                return bool(retried[i] <= retry.get("MaxAttempts", 3))
        return False

    def _leave(self, state: Json, scope: Json, default: Any) -> tuple[str | None, Any]:
        """Evaluates Assign and Output independently: neither sees the other's result."""
        assigned = {key: self._value(value, scope) for key, value in state.get("Assign", {}).items()}
        output = self._output(state, scope, default)
        self.variables.update(assigned)
        return (None if state.get("End") else state["Next"]), output

    def _output(self, state: Json, scope: Json, default: Any) -> Any:
        return self._value(state["Output"], scope) if "Output" in state else default

    def _value(self, template: Any, scope: Json) -> Any:
        if isinstance(template, dict):
            return {key: self._value(value, scope) for key, value in template.items()}
        if isinstance(template, list):
            return [self._value(value, scope) for value in template]
        if isinstance(template, str) and template.startswith("{%") and template.endswith("%}"):
            return self._expression(template[2:-2].strip(), scope)
        return template

    def _expression(self, text: str, scope: Json) -> Any:
        value = self._evaluated(text, scope)
        # The evaluation returns None both for null and for undefined.
        if value is None and not self._evaluated(f"$exists({text})", scope):
            raise StatesError("States.QueryEvaluationError", f"{text}: is undefined")
        return None if value is jsonata.utils.Utils.NULL_VALUE else value

    def _evaluated(self, text: str, scope: Json) -> Any:
        expression = jsonata.Jsonata(text)
        frame = expression.create_frame()
        for name, value in {**self.variables, "states": scope}.items():
            # jsonata-python takes a bound None for undefined.
            frame.bind(name, jsonata.utils.Utils.NULL_VALUE if value is None else copy.deepcopy(value))
        try:
            return expression.evaluate(None, frame)
        except jsonata.JException as error:
            raise StatesError("States.QueryEvaluationError", f"{text}: {error}") from error

    def _scope(self, name: str, data: Any, token: str | None = None) -> Json:
        """Returns `$states`. Only a task's arguments see the token."""
        context: Json = {"Execution": {"Input": self.execution_input}, "State": {"Name": name}}
        return {"input": data, "context": {**context, "Task": {"Token": token}} if token else context}


def _matches(names: list[str], error: StatesError) -> bool:
    if error.error in names:
        return True
    # A missing heartbeat is a timeout too (Amazon States Language, "Timeouts and heartbeats").
    if error.error == "States.HeartbeatTimeout" and "States.Timeout" in names:
        return True
    if "States.TaskFailed" in names and error.error != "States.Timeout":
        return True
    return "States.ALL" in names
