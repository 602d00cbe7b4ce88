"""The rights that the roles of a running local stack have, and those that the runs on it used or lacked."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitewright.local.aws_clients import Aws
from sitewright.local.emulator.identity.decision_log import Decision, read_decisions

STACK = "Sitewright-"
_ARN = re.compile(r"^arn:aws:[^:]+:[^:]*:[^:]*:")
_NAMED_BY_CLIENT = ("AWS::S3::Bucket", "AWS::SecretsManager::Secret")
_HASH = re.compile(r"[0-9A-F]{8}$")


@dataclass(frozen=True, order=True)
class Grant:
    """A right, in names that are the same for each site and each deployment: logical ids without CDK's hash."""

    role: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {_ARN.sub('', self.resource)}"


@dataclass(frozen=True)
class StackRights:
    """What the roles of a stack may do, did, and tried in vain."""

    granted: frozenset[Grant]
    used: frozenset[Grant]
    refused: frozenset[Grant]

    @property
    def unused(self) -> frozenset[Grant]:
        """The rights that no run used."""
        return self.granted - self.used


def stack_rights(aws: Aws, decisions: Path) -> StackRights:
    """Reads the roles of the stack, and the file of the emulator's decisions."""
    names = _Names(aws)
    found = [decision for decision in read_decisions(decisions) if names.is_ours(decision.role)]
    return StackRights(
        granted=frozenset(names.grant(*granted) for role in names.roles for granted in _granted(aws, role)),
        used=frozenset(_grant(names, decision) for decision in found if decision.allowed),
        refused=frozenset(_grant(names, decision) for decision in found if not decision.allowed),
    )


def _grant(names: "_Names", decision: Decision) -> Grant:
    return names.grant(decision.role, decision.action, decision.resource)


class _Names:
    """Turns physical names into logical ids, and the name of a site into `{client}`."""

    def __init__(self, aws: Aws) -> None:
        self._logical: dict[str, str] = {}
        self._clients: dict[str, str] = {}
        self.roles: list[str] = []
        for stack in aws.cloudformation.describe_stacks()["Stacks"]:
            if not (name := stack["StackName"]).startswith(STACK):
                continue
            for resource in aws.cloudformation.describe_stack_resources(StackName=name)["StackResources"]:
                physical, logical = resource["PhysicalResourceId"], _HASH.sub("", resource["LogicalResourceId"])
                if resource["ResourceType"] == "AWS::IAM::Role":
                    self.roles.append(physical)
                    self._clients[physical] = name.removeprefix(f"{STACK}Site-")
                if resource["ResourceType"] in _NAMED_BY_CLIENT or name.lower() in physical.lower():
                    # A queue's is its URL.
                    self._logical[physical.rpartition("/")[2] if "://" in physical else physical] = logical
        # The longest first: a name may begin with another.
        self._pattern = re.compile("|".join(map(re.escape, sorted(self._logical, key=len, reverse=True))))

    def is_ours(self, role: str) -> bool:
        """Whether the role belongs to the stack, or an AWS service was refused."""
        return role in self._clients or role.endswith(".amazonaws.com")

    def grant(self, role: str, action: str, resource: str) -> Grant:
        """Returns a right in logical names."""
        text = self._pattern.sub(lambda match: self._logical[match[0]], resource)
        if client := self._clients.get(role):
            text = re.sub(rf"(?<![a-z0-9]){re.escape(client)}(?![a-z0-9-])", "{client}", text)
        return Grant(self._logical.get(role, role), action, text)


def _granted(aws: Aws, role: str) -> Iterator[tuple[str, str, str]]:
    iam = aws.iam
    documents: list[Any] = [
        iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        documents.append(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    for document in documents:
        statements = json.loads(document)["Statement"] if isinstance(document, str) else document["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            for action in _list(statement["Action"]):
                for resource in _list(statement["Resource"]):
                    yield role, action, resource


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
