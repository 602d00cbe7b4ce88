"""Records at a construct why a finding of cdk-nag or checkov stands.

cdk-nag reads CDK's acknowledgements, checkov the template's metadata
(https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html).
"""

import re

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct

CHECKOV = "CKV"
"""The beginning of checkov's ids. All other ids are of cdk-nag."""

TRACES = "X-Ray has no resource that a right to write traces could name (service authorization reference, AWS X-Ray)."
"""The reason of each role that writes traces."""

TOKEN = re.compile(r"\$\{Token\[[^]]*\]\}")
"""A value in a text that CDK knows only when it writes the template."""


def accept(construct: IConstruct, reason: str, *rules: str) -> None:
    """Accepts findings of cdk-nag at a construct and below it, and of checkov at its resource.

    A reason is a sentence for the person who asks why the finding stands.
    """
    for rule in rules:
        if rule.startswith(CHECKOV):
            _skip_in_checkov(construct, rule, reason)
        else:
            Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def accept_wildcards(construct: IConstruct, reason: str, *resources: str) -> None:
    """Accepts that a role's policy names these resources, which have a `*`.

    cdk-nag writes resolved values into its ids. `…` stands for them here: only the template's text has them.
    """
    accept(construct, reason, *(f"AwsSolutions-IAM5[Resource::{TOKEN.sub('…', resource)}]" for resource in resources))


def _skip_in_checkov(construct: IConstruct, rule: str, reason: str) -> None:
    resource = construct if isinstance(construct, CfnResource) else construct.node.default_child
    if not isinstance(resource, CfnResource):
        raise TypeError(f"{construct.node.path}: {rule} is accepted at a construct without a resource of its own")
    skipped = (resource.get_metadata("checkov") or {"skip": []})["skip"]
    resource.add_metadata("checkov", {"skip": [*skipped, {"id": rule, "comment": reason}]})
