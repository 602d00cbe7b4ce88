"""The principals of the roles' trust policies: an AWS service, acting for a resource of this account only.

Without the conditions a service that acts for another account could be made to take the role: the confused deputy (IAM User
Guide, "The confused deputy problem").
"""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from sitewright.contracts.names import ANSWER_MACHINE
from stacks.arns import arn, state_machine_arn


def functions(stack: Stack) -> iam.IPrincipal:
    """Returns Lambda, for this account's functions.

    AWS documents no `aws:SourceArn` for Lambda's own use of an execution role. AWS' own trust policy has the account:
    https://github.com/aws/agent-toolkit-for-aws, `scripts/lambda-trust-policy.json`.
    """
    return _service(stack, "lambda")


def runs(stack: Stack) -> iam.IPrincipal:
    """Returns Step Functions, for the state machines of this deployment's sites.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
    """
    return _service(stack, "states", state_machine_arn(stack, "*"))


def answers(stack: Stack) -> iam.IPrincipal:
    """Returns Step Functions, for the state machine that waits for saved work. Source: as for `runs`."""
    return _service(stack, "states", arn(stack, "states", f"stateMachine:{ANSWER_MACHINE}"))


def task_starts(stack: Stack) -> iam.IPrincipal:
    """Returns ECS, when it pulls the image and opens the log for this account's tasks.

    AWS documents the conditions for the task role only. Its own trust policy of an execution role has the account:
    https://github.com/aws/agent-toolkit-for-aws, `scripts/ecs-trust-policy.json`.
    """
    return _service(stack, "ecs-tasks")


def tasks(stack: Stack) -> iam.IPrincipal:
    """Returns ECS, for the tasks of this account and region. ECS cannot name a cluster here.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    """
    return _service(stack, "ecs-tasks", arn(stack, "ecs", "*"))


def _service(stack: Stack, name: str, source: str | None = None) -> iam.IPrincipal:
    conditions: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": stack.account}}
    if source:
        conditions["ArnLike"] = {"aws:SourceArn": source}
    return iam.ServicePrincipal(f"{name}.amazonaws.com", conditions=conditions)
