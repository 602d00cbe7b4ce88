"""The end-to-end tests use the rights of a plain site. Other sites have further ones, and each has a reason."""

import re

from tests.support.iam.unused_rights import NOT_ON_THE_LOCAL_STACK
from tests.support.stacks.synthesized_templates import PLATFORM, Template, actions, of_type

PLAIN = (PLATFORM, "Sitewright-Site-amelia")


def rights(template: Template) -> set[str]:
    """The roles and their actions, by the logical ids of the roles without CDK's hash."""
    return {
        f"{re.sub(r'[0-9A-F]{8}$', '', role['Ref'])}: {action}"
        for policy in of_type(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        for role in policy["Roles"]
        for action in actions(statement)
    }


def test_each_right_that_only_other_sites_have_has_a_reason(templates: dict[str, Template]) -> None:
    plain = set[str]().union(*(rights(templates[name]) for name in PLAIN))
    other = set[str]().union(*(rights(template) for template in templates.values()))
    assert other - plain == set(NOT_ON_THE_LOCAL_STACK)
