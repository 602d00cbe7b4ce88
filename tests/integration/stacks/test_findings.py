"""What cdk-nag and checkov find in the templates of each kind of site: nothing that no construct gives a reason for."""

import json
from pathlib import Path
from types import ModuleType

from tests.support.stacks.checkov import checkov_findings
from tests.support.stacks.synthesized_templates import Template


def test_cdk_nag_finds_nothing(templates: dict[str, Template], shared_folder: Path, synthesis: ModuleType) -> None:
    assert json.loads((shared_folder / "cdk" / synthesis.NAG).read_text()) == []


def test_checkov_finds_nothing(templates: dict[str, Template], tmp_path: Path) -> None:
    assert checkov_findings(templates, tmp_path) == []


def test_what_no_construct_accepts_is_found(synthesis: ModuleType, tmp_path: Path) -> None:
    from aws_cdk import App, Stack
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_sqs as sqs

    from stacks.accepted_findings import accept, accept_wildcards

    def add(app: App) -> None:
        stack = Stack(app, "Stack")
        for name in ("Found", "Accepted"):
            queue = sqs.Queue(stack, f"{name}Queue", enforce_ssl=True)
            role = iam.Role(stack, name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
            resource = f"{queue.queue_arn}/*"
            role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[resource]))
            if name == "Accepted":
                accept(queue, "A reason.", "AwsSolutions-SQS3")
                accept_wildcards(role, "A reason.", resource)

    policy, queue = synthesis.nagged(tmp_path / "cdk", add)
    assert policy.startswith("Stack/Found/DefaultPolicy/Resource: AwsSolutions-IAM5[Resource::<FoundQueue")
    assert queue == "Stack/FoundQueue/Resource: AwsSolutions-SQS3"
