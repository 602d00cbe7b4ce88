"""The state machine that waits for saved work: it costs nothing while it waits, and always has the command answered."""

from typing import Any

from lambdas.respond.responder import SAVE_SECONDS
from sitewright.contracts.events import EndedRun
from sitewright.contracts.names import ANSWER_SOURCE
from stacks.platform.answer_workflow import LOOK_SECONDS, RUN_SECONDS, answer_definition
from tests.support.stacks.asl import Outcome, Run, StatesError, interpret

RUN = EndedRun(client_id="amelia", session_id="s", command_id="c", status="ABORTED", error="Superseded", until=5)
INPUT: dict[str, Any] = RUN.model_dump(mode="json", by_alias=True)
MACHINE = answer_definition("aws", "Commands", "arn:aws:lambda:us-west-2:123456789012:function:respond")
LATE = StatesError("States.Timeout")


def run(wait: list[Outcome], answer: list[Outcome]) -> Run:
    return interpret(MACHINE, INPUT, {"WaitForSave": wait, "Answer": answer})


def test_the_workspaces_token_has_the_command_answered_at_once() -> None:
    result = run([{}], [{"answered": True}])
    assert (result.status, result.path) == ("SUCCEEDED", ["WaitForSave", "Answer", "IsAnswered", "Answered"])
    wait, answer = result.calls
    assert wait.arguments["Key"] == {"clientSession": {"S": "amelia#s"}, "commandId": {"S": "c"}}
    assert wait.arguments["ExpressionAttributeValues"][":token"] == {"S": wait.token}
    assert answer.arguments["Payload"] == {"source": ANSWER_SOURCE, "detail": INPUT}
    assert EndedRun.model_validate(answer.arguments["Payload"]["detail"]) == RUN


def test_work_that_is_saved_already_is_answered_at_once() -> None:
    saved = StatesError("DynamoDb.ConditionalCheckFailedException")
    assert run([saved], [{"answered": True}]).status == "SUCCEEDED"


def test_a_workspace_that_sends_nothing_is_looked_after() -> None:
    result = run([LATE], [{"answered": False}, {"answered": False}, {"answered": True}])
    assert (result.status, result.attempts("WaitForSave"), result.attempts("Answer")) == ("SUCCEEDED", 3, 3)


def test_a_fault_of_the_function_is_tried_again() -> None:
    result = run([{}], [StatesError("Lambda.TooManyRequestsException"), {"answered": True}])
    assert (result.status, result.attempts("Answer")) == ("SUCCEEDED", 2)


def test_any_reply_keeps_the_machine_going() -> None:
    for reply in (None, "x", {}, [], {"answered": None}, {"answered": "true"}):
        assert run([LATE], [reply, {"answered": True}]).status == "SUCCEEDED"


def test_the_limits_fit_each_other() -> None:
    wait = MACHINE["States"]["WaitForSave"]
    assert wait["TimeoutSeconds"] == LOOK_SECONDS < SAVE_SECONDS < RUN_SECONDS
    assert "HeartbeatSeconds" not in wait
