"""The rights that a state of a run needs."""

from typing import Any

import pytest

from sitewright.local.emulator.identity.authorization import Right
from sitewright.local.emulator.identity.run_rights import Account, UnknownIntegration, rights

DEFINITION = {"taskDefinitionArn": "arn:family:7", "taskRoleArn": "arn:task-role", "executionRoleArn": "arn:starts"}
ACCOUNT = Account(
    prefix=lambda service: f"arn:aws:{service}:us-west-2:1:",
    task_definition={"family": DEFINITION}.__getitem__,
    partition_key=lambda table: "clientSession",
)
RUN_TASK = {"Cluster": "arn:aws:ecs:us-west-2:1:cluster/c", "TaskDefinition": "family"}


def test_a_task_is_run_from_its_newest_definition_and_gets_both_of_its_roles() -> None:
    passed = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    assert rights("arn:aws:states:::ecs:runTask.waitForTaskToken", RUN_TASK, ACCOUNT) == [
        Right("ecs:RunTask", "arn:family:7", {"ecs:cluster": RUN_TASK["Cluster"]}),
        Right("iam:PassRole", "arn:task-role", passed),
        Right("iam:PassRole", "arn:starts", passed),
    ]


def test_tags_of_a_new_task_are_a_right_of_their_own() -> None:
    asked = rights("arn:aws:states:::ecs:runTask", {**RUN_TASK, "PropagateTags": "TASK_DEFINITION"}, ACCOUNT)
    (tag,) = [right for right in asked if right.action == "ecs:TagResource"]
    assert tag.resource.startswith("arn:aws:ecs:us-west-2:1:task/c/")
    assert tag.keys == {"ecs:CreateAction": "RunTask"}


def test_an_offer_names_the_session_that_it_writes_to() -> None:
    arguments: dict[str, Any] = {"TableName": "sessions", "Key": {"clientSession": {"S": "amelia#s"}}}
    assert rights("arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken", arguments, ACCOUNT) == [
        Right(
            "dynamodb:UpdateItem", "arn:aws:dynamodb:us-west-2:1:table/sessions", {"dynamodb:LeadingKeys": ["amelia#s"]}
        )
    ]


def test_a_function_is_invoked() -> None:
    assert rights("arn:aws:states:::lambda:invoke", {"FunctionName": "arn:f"}, ACCOUNT) == [
        Right("lambda:InvokeFunction", "arn:f")
    ]


def test_an_integration_that_nobody_described_is_an_error() -> None:
    with pytest.raises(UnknownIntegration, match="sqs:sendMessage"):
        rights("arn:aws:states:::sqs:sendMessage", {}, ACCOUNT)
