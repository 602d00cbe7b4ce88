"""Where MiniStack is made to ask: each call of a service that it would make without a right."""

from pathlib import Path
from typing import Any

import pytest
from ministack.core import iam_evaluator, lambda_runtime  # type: ignore[import-untyped]
from ministack.services import eventbridge, iam, lambda_svc, stepfunctions  # type: ignore[import-untyped]

from sitewright.local.emulator.identity import enforcement, request_rights
from sitewright.local.emulator.identity.decision_log import Decision, DecisionLog, read_decisions

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:m"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
REPLACED = {
    request_rights: ("install",),
    iam_evaluator: ("enforce", "evaluate", "evaluate_trust_policy"),
    lambda_runtime: ("execution_credentials",),
    lambda_svc: ("execution_credentials", "_iter_all_esms", "_route_async_failure", "function_policy_for_arn"),
    eventbridge: ("_invoke_target", "_dispatch_to_lambda"),
    stepfunctions: ("_apply_jsonata_arguments",),
}


class Emulator:
    """MiniStack with a role, a function and a rule. Its calls are noted, not made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
        self.called: list[str] = []
        self.log = log
        self.policy: dict[str, Any] = {"Statement": []}
        mapping = {"UUID": "u", "FunctionName": "f", "EventSourceArn": QUEUE}
        for module, names in REPLACED.items():
            for name in names:
                monkeypatch.setattr(module, name, getattr(module, name))
        config = {"Role": ROLE, "FunctionName": "f", "FunctionArn": FUNCTION}
        lambda_svc._iter_all_esms = lambda: iter([(ACCOUNT, "us-east-1", mapping)])
        lambda_svc._route_async_failure = lambda destination, *_: self.called.append(destination)
        lambda_svc.function_policy_for_arn = lambda arn: (self.policy, ACCOUNT)
        eventbridge._dispatch_to_lambda = lambda arn, _: self.called.append(arn)
        monkeypatch.setattr(lambda_svc, "_functions", {"f": {"config": config}})
        monkeypatch.setattr(stepfunctions, "_state_machines", {MACHINE: {"roleArn": ROLE}})
        request_rights.install = lambda: None
        enforcement.install(DecisionLog(log))

    def role(self, service: str, *actions: str) -> None:
        """Gives the role these rights, and lets the service assume it."""
        iam._roles["r"] = {
            "AssumeRolePolicyDocument": {
                "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
            },
            "InlinePolicies": {"p": {"Statement": {"Effect": "Allow", "Action": list(actions), "Resource": "*"}}},
        }

    @property
    def refused(self) -> list[str]:
        return [decision.action for decision in read_decisions(self.log) if not decision.allowed]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    yield Emulator(monkeypatch, tmp_path / "decisions.jsonl")
    iam._roles.pop("r", None)


def state(emulator: Emulator) -> Any:
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": FUNCTION}}
    return stepfunctions._apply_jsonata_arguments(task, {}, {"StateMachine": {"Id": MACHINE}})


def test_a_state_fails_without_the_right_of_its_machine(emulator: Emulator) -> None:
    emulator.role("states.amazonaws.com", "lambda:InvokeFunction")
    assert state(emulator) == {"FunctionName": FUNCTION}
    emulator.role("states.amazonaws.com", "lambda:GetFunction")
    with pytest.raises(stepfunctions._ExecutionError, match="lambda:InvokeFunction"):
        state(emulator)
    assert emulator.refused == ["lambda:InvokeFunction"]


def test_a_queue_is_not_polled_without_the_right_of_its_function(emulator: Emulator) -> None:
    emulator.role("lambda.amazonaws.com", "sqs:ReceiveMessage", "sqs:GetQueueAttributes")
    assert list(lambda_svc._iter_all_esms()) == []
    assert emulator.refused == ["sqs:DeleteMessage"]


def test_a_queue_is_polled_with_it(emulator: Emulator) -> None:
    emulator.role("lambda.amazonaws.com", "sqs:*")
    assert len(list(lambda_svc._iter_all_esms())) == 1
    assert emulator.refused == []


def test_a_failed_event_goes_to_its_queue_with_the_right_of_its_function(emulator: Emulator) -> None:
    for actions, called in ((("sqs:ReceiveMessage",), []), (("sqs:SendMessage",), [QUEUE])):
        emulator.role("lambda.amazonaws.com", *actions)
        lambda_svc._route_async_failure(QUEUE, "f", {}, {})
        assert emulator.called == called


def test_a_rule_calls_a_function_whose_policy_names_it(emulator: Emulator) -> None:
    rule = {"Name": "r", "Arn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"}

    def fire() -> None:
        eventbridge._invoke_target({"Arn": FUNCTION, "Input": "{}"}, {"Source": "s", "DetailType": "t"}, rule)

    fire()
    assert (emulator.called, emulator.refused) == ([], ["lambda:InvokeFunction"])
    emulator.policy = {
        "Statement": {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": FUNCTION,
            "Principal": {"Service": "events.amazonaws.com"},
            "Condition": {"ArnLike": {"AWS:SourceArn": rule["Arn"]}},
        }
    }
    fire()
    assert emulator.called == [FUNCTION]


def test_ecs_assumes_a_role_that_trusts_it_and_no_other(emulator: Emulator) -> None:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    task = f"service ecs-tasks.amazonaws.com arn:aws:ecs:us-east-1:{ACCOUNT}:task/c/t"
    context = iam_evaluator.EvalContext(root, "Root", ACCOUNT, "sts:AssumeRole", ROLE, "us-east-1")
    context.service_context = {"sts:externalid": task}
    for service, trusted in (("ecs-tasks.amazonaws.com", True), ("lambda.amazonaws.com", False)):
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
        assert iam_evaluator.evaluate_trust_policy({"Statement": statement}, root, context) is trusted


def test_what_a_request_uses_is_noted(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = iam_evaluator.parse_policy_document(
        {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}
    )
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"
    principal = iam_evaluator.PrincipalInfo(session, "AssumedRole", ACCOUNT, [statements])
    monkeypatch.setattr(iam_evaluator, "authenticate", lambda *_: None)
    monkeypatch.setattr(iam_evaluator, "resolve_principal", lambda *_: principal)
    for key in ("one", "two"):
        assert iam_evaluator.enforce("ASIA", "s3:GetObject", "s3", "us-east-1", f"arn:aws:s3:::b/{key}") is None
    assert iam_evaluator.enforce("ASIA", "s3:PutObject", "s3", "us-east-1", "arn:aws:s3:::b/one")
    assert read_decisions(emulator.log) == [
        Decision("r", "s3:GetObject", "arn:aws:s3:::b/*", True),
        Decision("r", "s3:PutObject", "arn:aws:s3:::b/one", False),
    ]
