"""Asks a role's policies about a call that an AWS service makes for it. MiniStack makes such calls without asking."""

from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator as engine  # type: ignore[import-untyped]
from ministack.services import iam  # type: ignore[import-untyped]

from sitewright.local.emulator.identity.decision_log import DecisionLog

ACCOUNT_FIELD = 4


@dataclass(frozen=True)
class Right:
    """A right that a call needs: action, resource, and the condition keys of the request."""

    action: str
    resource: str
    keys: dict[str, Any] = field(default_factory=dict)


def role_name(arn: str) -> str:
    """Returns the name of a role from its ARN, which may have a path."""
    return arn.rsplit("/", 1)[-1]


def covering(policies: list[list[Any]], context: Any) -> list[str]:
    """Returns the resource patterns of the statements that allow what `context` asks for."""
    return [
        pattern
        for statements in policies
        for statement in statements
        if engine._first_match(context, [statement], "Allow")
        for pattern in statement.resources
        if engine.fnmatch_iam_cs(context.resource_arn, pattern)
    ]


class Roles:
    """The roles of the emulator, as the services use them."""

    def __init__(self, log: DecisionLog) -> None:
        self._log = log

    def may(self, role_arn: str, service: str, right: Right, *, source: str) -> bool:
        """Whether `service` may assume the role for the resource `source`, and the role has the right."""
        account, name = role_arn.split(":")[ACCOUNT_FIELD], role_name(role_arn)
        role = iam._roles.get_scoped(account, None, name)
        if role is None or not trusts(role["AssumeRolePolicyDocument"], service, source):
            self._log.refused(name, "sts:AssumeRole", service)
            return False
        context = engine.EvalContext(
            principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/{service}",
            principal_type="AssumedRole",
            principal_account=account,
            action=right.action,
            resource_arn=right.resource,
            region=source.split(":")[3],
            service_context={key.lower(): value for key, value in right.keys.items()},
        )
        policies = engine._gather_role_policies(name, account)
        limits = engine._permissions_boundary(iam._roles, name, account)
        if engine.evaluate(context, policies, *limits).decision != "Allow":
            self._log.refused(name, right.action, right.resource)
            return False
        self._log.allowed(name, right.action, covering(policies, context))
        return True


def trusts(policy: Any, service: str, source: str) -> bool:
    """Whether a trust policy lets an AWS service assume the role for the resource `source` (an ARN).

    MiniStack's own check takes any service for the root user, and gives the conditions no source.
    """
    return _names_service(policy, "sts:AssumeRole", "*", service, source)


def lets_service(policy: Any, action: str, resource: str, service: str, source: str) -> bool:
    """Whether a resource's policy lets an AWS service call the resource for `source` (an ARN)."""
    return _names_service(policy, action, resource, service, source)


def _names_service(policy: Any, action: str, resource: str, service: str, source: str) -> bool:
    account, region = source.split(":")[ACCOUNT_FIELD], source.split(":")[3]
    context = engine.EvalContext(
        principal_arn="service",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=region,
        service_context={"aws:sourcearn": source, "aws:sourceaccount": account},
    )
    return bool(engine.evaluate_resource_policy(policy, context, service=service).decision == "Allow")
