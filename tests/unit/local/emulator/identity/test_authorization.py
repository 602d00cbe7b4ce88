"""What a role may do for a service, by its own policies and by its trust policy."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.services import iam  # type: ignore[import-untyped]

from sitewright.local.emulator.identity.authorization import Right, Roles, lets_service, trusts
from sitewright.local.emulator.identity.decision_log import Decision, DecisionLog, read_decisions

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/run"
MACHINE = f"arn:aws:states:us-west-2:{ACCOUNT}:stateMachine:sitewright-amelia"
TABLE = f"arn:aws:dynamodb:us-west-2:{ACCOUNT}:table/sessions"
OWN = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["amelia#*"]}, "Null": {"dynamodb:LeadingKeys": "false"}}


def trust(service: str = "states.amazonaws.com", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return {"Statement": [{**statement, "Condition": condition} if condition else statement]}


def allow(action: str, resource: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {"Statement": [{**statement, "Condition": condition} if condition else statement]}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


@pytest.fixture
def may(log: Path) -> Iterator[Callable[..., bool]]:
    roles = Roles(DecisionLog(log))

    def asked(policy: dict[str, Any], right: Right, trusted: dict[str, Any] | None = None) -> bool:
        iam._roles["run"] = {"AssumeRolePolicyDocument": trusted or trust(), "InlinePolicies": {"p": policy}}
        return roles.may(ROLE, "states.amazonaws.com", right, source=MACHINE)

    yield asked
    iam._roles.pop("run", None)


def test_a_right_that_is_used_is_noted_once_with_its_pattern(may: Callable[..., bool], log: Path) -> None:
    right = Right("lambda:InvokeFunction", "arn:f")
    assert may(allow("lambda:*", "arn:*"), right)
    assert may(allow("lambda:*", "arn:*"), right)
    assert read_decisions(log) == [Decision("run", "lambda:InvokeFunction", "arn:*", True)]


def test_a_right_that_is_missing_is_noted_with_its_resource(may: Callable[..., bool], log: Path) -> None:
    assert not may(allow("lambda:InvokeFunction", "arn:other"), Right("lambda:InvokeFunction", "arn:f"))
    assert read_decisions(log) == [Decision("run", "lambda:InvokeFunction", "arn:f", False)]


@pytest.mark.parametrize(("keys", "allowed"), [(["amelia#s"], True), (["plain#s"], False), (None, False)])
def test_a_condition_on_the_items_is_asked(may: Callable[..., bool], keys: list[str] | None, allowed: bool) -> None:
    named = {"dynamodb:LeadingKeys": keys} if keys else {}
    assert may(allow("dynamodb:UpdateItem", TABLE, OWN), Right("dynamodb:UpdateItem", TABLE, named)) is allowed


def test_a_role_that_does_not_trust_the_service_may_nothing(may: Callable[..., bool], log: Path) -> None:
    assert not may(allow("*", "*"), Right("lambda:InvokeFunction", "arn:f"), trust("lambda.amazonaws.com"))
    assert read_decisions(log) == [Decision("run", "sts:AssumeRole", "states.amazonaws.com", False)]


def test_a_trust_policy_is_asked_for_the_account_and_the_resource_that_the_service_acts_for() -> None:
    account = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert trusts(trust(**account), "states.amazonaws.com", MACHINE)
    assert not trusts(trust(**account), "states.amazonaws.com", MACHINE.replace(ACCOUNT, "111122223333"))
    source = {"ArnLike": {"aws:SourceArn": MACHINE.replace("amelia", "*")}}
    assert trusts(trust(**source), "states.amazonaws.com", MACHINE)
    assert not trusts(trust(**source), "states.amazonaws.com", MACHINE.replace("sitewright", "other"))
    assert not trusts({"Statement": []}, "states.amazonaws.com", MACHINE)


def test_a_functions_policy_lets_a_rule_call_it() -> None:
    rule, function = f"arn:aws:events:us-west-2:{ACCOUNT}:rule/r", f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:f"
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "lambda:InvokeFunction",
                "Resource": function,
                "Principal": {"Service": "events.amazonaws.com"},
                "Condition": {"ArnLike": {"aws:SourceArn": rule}},
            }
        ]
    }
    service = "events.amazonaws.com"
    assert lets_service(policy, "lambda:InvokeFunction", function, service, rule)
    assert not lets_service(policy, "lambda:InvokeFunction", function, service, f"{rule}2")
    assert not lets_service(policy, "lambda:InvokeFunction", function, "s3.amazonaws.com", rule)


def test_a_new_log_forgets_the_roles_of_an_emulator_before(log: Path) -> None:
    DecisionLog(log).refused("gone", "s3:GetObject", "arn:o")
    DecisionLog(log)
    assert read_decisions(log) == []
