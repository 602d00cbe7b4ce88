"""What cdk-nag, checkov and cdk-preflight find in the templates of each kind of site: nothing without a reason."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.stacks.checkov import checkov_findings
from tests.support.stacks.synthesized_templates import Template


def test_cdk_nag_finds_nothing(templates: dict[str, Template], shared_folder: Path, synthesis: ModuleType) -> None:
    assert json.loads((shared_folder / "cdk" / synthesis.NAG).read_text()) == []


def test_checkov_finds_nothing(templates: dict[str, Template], tmp_path: Path) -> None:
    assert checkov_findings(templates, tmp_path) == []


def test_the_mail_of_the_alarms_has_its_reasons(synthesis: ModuleType, tmp_path: Path) -> None:
    from aws_cdk import App, Stack
    from aws_cdk import aws_cloudwatch as cloudwatch

    from stacks.platform.observability.alarms import Alarm, Alarms

    def add(app: App) -> None:
        alarm = Alarm("Alarm", "A reason.", cloudwatch.Metric(namespace="N", metric_name="M"))
        Alarms(Stack(app, "Stack"), "Alarms", entries=[alarm], email="you@example.com")

    assert synthesis.nagged(tmp_path / "cdk", add) == []
    template = json.loads((tmp_path / "cdk/Stack.template.json").read_text())
    (tmp_path / "checkov").mkdir()
    assert checkov_findings({"Stack": template}, tmp_path / "checkov") == []


def test_cdk_preflight_finds_nothing(synthesis: ModuleType, tmp_path: Path) -> None:
    synthesis.preflight(tmp_path / "cdk", lambda app: synthesis.add_platform(app, ["amelia", "zoned", "certified"]))


def test_cdk_preflight_refuses_what_cloudformation_refuses(synthesis: ModuleType, tmp_path: Path) -> None:
    from aws_cdk import App, CfnResource, Stack

    def add(app: App) -> None:
        CfnResource(
            Stack(app, "Stack"), "P", type="AWS::SSM::Parameter", properties={"Type": "String", "Value": "x" * 5000}
        )

    with pytest.raises(RuntimeError, match="pf-ssm-parameter-tier"):
        synthesis.preflight(tmp_path / "cdk", add)


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
