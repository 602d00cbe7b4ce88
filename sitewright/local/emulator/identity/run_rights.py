"""The rights that a task state needs of its state machine's role."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sitewright.local.emulator.identity.authorization import Right
from sitewright.local.emulator.identity.leading_keys import PartitionKey, leading_keys

Json = dict[str, Any]


class UnknownIntegration(Exception):
    """A state uses a service integration whose rights nobody wrote down here."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"{resource}: its rights are unknown. Add them to {__name__}.")
        self.resource = resource


@dataclass(frozen=True)
class Account:
    """What the rights depend on beside the state."""

    prefix: Callable[[str], str]
    """The beginning of an ARN in this account and region, for a service: `arn:aws:ecs:us-west-2:000000000000:`."""
    task_definition: Callable[[str], Json]
    """The newest task definition of a family, as DescribeTaskDefinition answers."""
    partition_key: PartitionKey


def rights(resource: str, arguments: Json, account: Account) -> list[Right]:
    """Returns the rights for a task state's resource and arguments. Raises UnknownIntegration.

    Sources: Step Functions Developer Guide, "How Step Functions generates IAM policies for integrated services"; Amazon
    ECS Developer Guide, "Grant permission to tag resources on creation"; Service Authorization Reference for the keys.
    """
    integration = resource.partition(":states:::")[2].removesuffix(".waitForTaskToken")
    if integration == "lambda:invoke":
        return [Right("lambda:InvokeFunction", arguments["FunctionName"])]
    if integration == "ecs:runTask":
        return _run_task(arguments, account)
    if integration == "aws-sdk:dynamodb:updateItem":
        table = account.prefix("dynamodb") + f"table/{arguments['TableName']}"
        keys = leading_keys(arguments, account.partition_key)
        return [Right("dynamodb:UpdateItem", table, {"dynamodb:LeadingKeys": keys} if keys else {})]
    raise UnknownIntegration(resource)


def _run_task(arguments: Json, account: Account) -> list[Right]:
    definition = account.task_definition(arguments["TaskDefinition"])
    found = [Right("ecs:RunTask", definition["taskDefinitionArn"], {"ecs:cluster": arguments["Cluster"]})]
    if arguments.get("PropagateTags") or arguments.get("Tags"):
        cluster = arguments["Cluster"].rpartition("/")[2]
        task = account.prefix("ecs") + f"task/{cluster}/0123456789abcdef0123456789abcdef"
        found.append(Right("ecs:TagResource", task, {"ecs:CreateAction": "RunTask"}))
    for name in ("taskRoleArn", "executionRoleArn"):
        passed = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
        found += [Right("iam:PassRole", definition[name], passed)] if definition.get(name) else []
    return found
