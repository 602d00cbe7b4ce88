"""Who may take a role, and whose resource it is."""

import json
from typing import Any

import pytest

from tests.support.stacks.policies import ACCOUNT, text
from tests.support.stacks.synthesized_templates import PLATFORM, REGION, Template, of_type

SOURCES = {
    "states.amazonaws.com": {
        f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:sitewright-*",
        f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:sitewright_answers",
    },
    "ecs-tasks.amazonaws.com": {f"arn:aws:ecs:{REGION}:{ACCOUNT}:*"},
}
"""The resources that a service must act for, where AWS documents that it tells them."""

NO_TAGS = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::CloudFront::Function",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::Route53::RecordSet",
    "AWS::S3::BucketPolicy",
}
"""Types that have no tags in CloudFormation."""


def _trusts(templates: dict[str, Template]) -> list[tuple[str, str, dict[str, Any]]]:
    """Returns the stack, the role and each statement of its trust policy."""
    return [
        (stack, name, statement)
        for stack, template in templates.items()
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
        for statement in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    ]


def test_a_service_takes_a_role_for_this_account_only(templates: dict[str, Template]) -> None:
    services, statements = set(), _trusts(templates)
    for stack, name, statement in statements:
        services.add(statement["Principal"]["Service"])
        account = statement["Condition"]["StringEquals"]["aws:SourceAccount"]
        assert text(templates, stack, account) == ACCOUNT, (stack, name)
    names = {service.removesuffix(".amazonaws.com") for service in services}
    assert names == {"lambda", "states", "ecs-tasks", "codebuild"}


@pytest.mark.parametrize("service", SOURCES)
def test_a_run_and_a_task_take_their_roles_as_themselves(templates: dict[str, Template], service: str) -> None:
    found = {
        text(templates, stack, statement["Condition"]["ArnLike"]["aws:SourceArn"])
        for stack, _, statement in _trusts(templates)
        if statement["Principal"]["Service"] == service and "ArnLike" in statement["Condition"]
    }
    assert found == SOURCES[service]


def test_what_belongs_to_a_site_is_tagged_with_its_client(templates: dict[str, Template]) -> None:
    for stack, template in templates.items():
        if stack == PLATFORM or stack.startswith("Sitewright-Cdn-"):
            assert "sitewright:client" not in json.dumps(template)
            continue
        client = stack.rpartition("-")[2]
        for name, resource in template["Resources"].items():
            if resource["Type"] in NO_TAGS:
                continue
            assert _tags(resource).get("sitewright:client") == client, (stack, name)


def _tags(resource: dict[str, Any]) -> dict[str, str]:
    tags = resource["Properties"].get("Tags", {})
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def test_a_task_carries_its_sites_tag(templates: dict[str, Template]) -> None:
    # The tags of a task definition cost nothing; Fargate bills its tasks.
    for template in templates.values():
        for machine in of_type(template, "AWS::StepFunctions::StateMachine"):
            definition = json.dumps(machine["DefinitionString"])
            assert definition.count("ecs:runTask") == definition.count("PropagateTags")
