"""The synthesized templates of the platform and of a site: unchanged, linted, with minimal rights."""

import json
import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.stacks.synthesized_templates import PLATFORM, REGION, Template, actions, lint, stable, statements

SITE = "Sitewright-Site-amelia"


@pytest.mark.parametrize("name", [PLATFORM, SITE])
def test_the_template_is_as_it_was(templates: dict[str, Template], snapshot: SnapshotAssertion, name: str) -> None:
    assert stable(templates[name]) == snapshot


@pytest.mark.parametrize("region", [REGION, "us-east-1"])
def test_cfn_lint_finds_nothing(templates: dict[str, Template], walled: Template, tmp_path: Path, region: str) -> None:
    of_region = {
        k: v for k, v in {**templates, "Walled": walled}.items() if ("Certificate" in k) == (region == "us-east-1")
    }
    assert of_region
    assert lint(of_region, tmp_path, region) == ""


def test_a_workspace_reaches_its_own_clients_artifacts_only(templates: dict[str, Template]) -> None:
    artifacts = [s for s in statements(templates[SITE], "TaskRole") if "Artifacts" in json.dumps(s["Resource"])]
    assert artifacts
    for statement in artifacts:
        assert "/amelia/*" in json.dumps(statement["Resource"]) or statement["Condition"]["StringLike"][
            "s3:prefix"
        ] == ["amelia/*"]


def test_nothing_costs_money_while_idle(templates: dict[str, Template]) -> None:
    resources = [r for name in (PLATFORM, SITE) for r in templates[name]["Resources"].values()]
    types = {r["Type"] for r in resources}
    assert not types & {"AWS::EC2::NatGateway", "AWS::EFS::FileSystem", "AWS::ECS::Service"}
    groups = [r for r in resources if r["Type"] == "AWS::EC2::SecurityGroup"]
    assert groups
    assert not any("SecurityGroupIngress" in group["Properties"] for group in groups)


def test_no_log_of_a_run_fills_the_accounts_resource_policy(templates: dict[str, Template]) -> None:
    # Step Functions adds each group without this prefix to one policy of 5,120 characters.
    for name in (name for name in templates if "-Site-" in name):
        resources = templates[name]["Resources"]
        [machine] = [r for r in resources.values() if r["Type"] == "AWS::StepFunctions::StateMachine"]
        [destination] = machine["Properties"]["LoggingConfiguration"]["Destinations"]
        group = resources[destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]]["Properties"]
        assert group["LogGroupName"] == f"/aws/vendedlogs/states/sitewright-{name.rpartition('-')[2]}"


def test_a_run_outlives_a_deployment(templates: dict[str, Template]) -> None:
    template = templates[SITE]
    [run] = [s for s in statements(template, "RunRole") if "ecs:RunTask" in actions(s)]
    assert json.dumps(run["Resource"]).endswith(':task-definition/sitewright-amelia:*"]]}')
    assert "ecs:cluster" in run["Condition"]["ArnEquals"]
    [passing] = [s for s in statements(template, "RunRole") if "iam:PassRole" in actions(s)]
    assert len(passing["Resource"]) == 2
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    [machine] = [r for r in template["Resources"].values() if r["Type"] == "AWS::StepFunctions::StateMachine"]
    [task] = [k for k, r in template["Resources"].items() if r["Type"] == "AWS::ECS::TaskDefinition"]
    assert task in machine["DependsOn"]
    assert task not in json.dumps(machine["Properties"])


def test_no_role_has_more_actions_than_it_uses(templates: dict[str, Template]) -> None:
    site = templates[SITE]
    assert not {a for s in statements(site, "RunRole") for a in actions(s)} & {"ecs:StopTask", "events:PutRule"}
    task = statements(site, "TaskRole")
    on_site = {a for s in task for a in actions(s) if re.search(r'"Site[0-9A-F]{8}"', json.dumps(s["Resource"]))}
    writes = {"s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"}
    assert on_site == writes | {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"}
    for name in (PLATFORM, SITE):
        for statement in statements(templates[name]):
            # CDK's own grant on its bucket of assets, for the build of the image.
            if "cdk-hnb659fds-assets" not in json.dumps(statement["Resource"]):
                assert not [a for a in actions(statement) if a.endswith("*")], statement


def test_an_event_that_cannot_be_delivered_is_kept_and_seen(templates: dict[str, Template]) -> None:
    resources = templates[PLATFORM]["Resources"].values()
    targets = [t for r in resources if r["Type"] == "AWS::Events::Rule" for t in r["Properties"]["Targets"]]
    assert len(targets) == 4
    assert all("FailedEvents" in json.dumps(target["DeadLetterConfig"]) for target in targets)
    watched = json.dumps(
        [r["Properties"].get("Dimensions") for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"]
    )
    assert all(name in watched for name in ("DeadLetters", "FailedEvents", "Input"))


def test_a_site_on_bedrock_has_no_model_key_and_may_invoke_its_model_only(templates: dict[str, Template]) -> None:
    template = templates["Sitewright-Site-bedrock"]
    assert "model-key" not in json.dumps(template) and "MODEL_KEY" not in json.dumps(template)
    allowed = [s for s in statements(template, "TaskRole") if any(a.startswith("bedrock:") for a in actions(s))]
    assert {a for s in allowed for a in actions(s)} == {
        "bedrock:InvokeModel",
        "bedrock:InvokeModelWithResponseStream",
        "bedrock:CountTokens",
    }
    for statement in allowed:
        assert "claude-opus-5-5" in json.dumps(statement["Resource"]), statement
        assert "/*" not in json.dumps(statement["Resource"])
    [behind] = [s for s in allowed if "Condition" in s]
    assert "inference-profile/us.anthropic.claude-opus-5-5" in json.dumps(behind["Condition"])
    others = [s for s in statements(templates[SITE]) if any(a.startswith("bedrock:") for a in actions(s))]
    assert others == []


def test_only_tables_and_the_bucket_tie_the_sites_to_the_platform(templates: dict[str, Template]) -> None:
    platform = templates[PLATFORM]
    exported = [o["Value"] for o in platform["Outputs"].values() if "Export" in o]
    ids = {value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0] for value in exported}
    assert {platform["Resources"][name]["Type"] for name in ids} == {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}
    sites = json.dumps({k: v for k, v in templates.items() if k.startswith("Sitewright-Site-")})
    assert set(re.findall(r"subnet-|SubnetId|SecurityGroupId", sites)) == set()
