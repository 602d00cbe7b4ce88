"""What a stolen role reaches. The thief has the credentials of amelia's workspace; the neighbour is the site `plain`."""

import json
from typing import Any

import pytest

from sitewright.contracts.names import GITHUB_APP_SECRET, build_secret_parameter, secret_parameter
from tests.support.stacks.policies import ACCOUNT, Role, named
from tests.support.stacks.synthesized_templates import PLATFORM, REGION, Template, actions, of_type, statements

SITE, NEIGHBOUR = "Sitewright-Site-amelia", "Sitewright-Site-plain"


@pytest.fixture
def workspace(templates: dict[str, Template]) -> Role:
    return Role(templates, SITE, "TaskRole")


@pytest.fixture
def run(templates: dict[str, Template]) -> Role:
    return Role(templates, SITE, "RunRole")


def table(templates: dict[str, Template], name: str) -> str:
    return f"arn:{PLATFORM}/{named(templates[PLATFORM], 'AWS::DynamoDB::Table', name)}"


def artifacts(templates: dict[str, Template]) -> str:
    return f"arn:{PLATFORM}/{named(templates[PLATFORM], 'AWS::S3::Bucket', 'Artifacts')}"


def resource(templates: dict[str, Template], stack: str, kind: str, part: str) -> str:
    return f"{stack}/{named(templates[stack], kind, part)}"


@pytest.mark.parametrize("name", ["Sessions", "Commands"])
@pytest.mark.parametrize("action", ["dynamodb:GetItem", "dynamodb:UpdateItem"])
def test_a_workspace_reaches_its_own_items_only(
    templates: dict[str, Template], workspace: Role, name: str, action: str
) -> None:
    def may(*keys: str) -> bool:
        return workspace.may(action, table(templates, name), dynamodb_LeadingKeys=list(keys))

    assert may("amelia#s")
    for stranger in ("plain#s", "amelia", "amelia-2#s", "#s", "", "Amelia#s", "x#amelia#s"):
        assert not may(stranger), stranger
    assert not may("amelia#s", "plain#s"), "one of several keys is another client's"
    assert not workspace.may(action, table(templates, name)), "a request without a key"


@pytest.mark.parametrize(
    "action",
    [
        "dynamodb:Scan",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:DeleteItem",
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:PartiQLSelect",
        "dynamodb:PartiQLUpdate",
        "dynamodb:ExportTableToPointInTime",
        "dynamodb:UpdateTable",
    ],
)
def test_a_workspace_has_no_other_way_into_a_table(
    templates: dict[str, Template], workspace: Role, action: str
) -> None:
    for name in ("Sessions", "Commands", "Deployments", "Spending"):
        arn = table(templates, name)
        for target in (arn, f"{arn}/index/open-by-age"):
            assert not workspace.may(action, target, dynamodb_LeadingKeys=["amelia#s"])


@pytest.mark.parametrize("name", ["Deployments", "Spending"])
def test_a_workspace_has_no_right_on_its_deployments_and_its_spending(
    templates: dict[str, Template], workspace: Role, name: str
) -> None:
    for action in ("dynamodb:GetItem", "dynamodb:UpdateItem"):
        for key in ("amelia", "amelia#s", "plain"):
            assert not workspace.may(action, table(templates, name), dynamodb_LeadingKeys=[key])


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject"])
def test_a_workspace_reaches_its_own_artifacts_only(
    templates: dict[str, Template], workspace: Role, action: str
) -> None:
    bucket = artifacts(templates)
    assert workspace.may(action, f"{bucket}/amelia/sessions/s/checkpoints/1.tar.zst")
    for key in ("plain/sessions/s/checkpoints/1.tar.zst", "plain/site/manifest.json.gz", "amelia", "amelia-2/x", "x"):
        assert not workspace.may(action, f"{bucket}/{key}"), key
    assert not workspace.may("s3:DeleteObjectVersion", f"{bucket}/amelia/sessions/s/checkpoints/1.tar.zst")


def test_a_workspace_lists_its_own_artifacts_only(templates: dict[str, Template], workspace: Role) -> None:
    bucket = artifacts(templates)
    assert workspace.may("s3:ListBucket", bucket, s3_prefix="amelia/site/")
    for prefix in ("", "plain/", "amelia", "a"):
        assert not workspace.may("s3:ListBucket", bucket, s3_prefix=prefix), prefix
    assert not workspace.may("s3:ListBucket", bucket), "without a prefix"
    assert not workspace.may("s3:ListBucketVersions", bucket, s3_prefix="amelia/")


@pytest.mark.parametrize("name", ["git-token", "model-key"])
def test_a_workspace_reads_its_own_secrets_only(workspace: Role, name: str) -> None:
    def parameter(client: str, secret: str) -> str:
        return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{secret_parameter(client, secret)}"

    own = parameter("amelia", name)
    assert workspace.may("ssm:GetParameter", own)
    for action in ("ssm:PutParameter", "ssm:GetParametersByPath", "ssm:GetParameterHistory", "ssm:DeleteParameter"):
        assert not workspace.may(action, own), action
    others = [parameter("plain", name), parameter("amelia-2", name), parameter("amelia", "other")]
    shared = [own.replace(secret_parameter("amelia", name), text) for text in (GITHUB_APP_SECRET, "/sitewright/*", "*")]
    for stranger in (*others, *shared):
        assert not workspace.may("ssm:GetParameter", stranger), stranger


def test_a_workspace_reads_the_secrets_of_its_own_build_by_name(templates: dict[str, Template]) -> None:
    def may(client: str, secret: str, reader: str = "keyed") -> bool:
        arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{build_secret_parameter(client, secret)}"
        return Role(templates, f"Sitewright-Site-{reader}", "TaskRole").may("ssm:GetParameter", arn)

    assert may("keyed", "cms")
    for client, secret in (("keyed", "other"), ("keyed", "*"), ("amelia", "cms"), ("keyed", "cms2")):
        assert not may(client, secret), (client, secret)
    assert not may("keyed", "cms", reader="amelia")
    settings = json.dumps(of_type(templates["Sitewright-Site-keyed"], "AWS::ECS::TaskDefinition"))
    assert "SITEWRIGHT_BUILD_ENVIRONMENT" in settings and "cms.example.com" in settings


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
def test_a_workspace_reaches_its_own_site_only(templates: dict[str, Template], workspace: Role, action: str) -> None:
    own, other = (f"arn:{resource(templates, stack, 'AWS::S3::Bucket', 'Site')}" for stack in (SITE, NEIGHBOUR))
    assert workspace.may(action, f"{own}/index.html")
    assert not workspace.may(action, f"{other}/index.html")
    for bucket in (own, other):
        assert not workspace.may("s3:PutBucketPolicy", bucket)
        assert not workspace.may("s3:DeleteObjectVersion", f"{bucket}/index.html")


def test_a_workspace_neither_starts_nor_stops_runs_and_tasks(templates: dict[str, Template], workspace: Role) -> None:
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:sitewright-amelia"
    assert not workspace.may("states:StartExecution", machine)
    assert not workspace.may("states:StopExecution", machine.replace("stateMachine", "execution") + ":c")
    for action in ("ecs:RunTask", "ecs:StopTask", "ecs:ExecuteCommand", "ecs:DescribeTasks", "iam:PassRole"):
        assert not workspace.may(action, "*")
    for action in ("sqs:SendMessage", "sqs:ReceiveMessage", "lambda:InvokeFunction", "ssm:GetParameter"):
        assert not workspace.may(action, "*")


def test_only_the_task_tokens_are_cut_to_nothing(templates: dict[str, Template]) -> None:
    wide = [s for s in statements(templates[SITE], "TaskRole") if s["Resource"] == "*"]
    assert [actions(s) for s in wide] == [
        {"states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"}
    ]


def test_a_run_offers_steps_to_its_own_sessions_only(templates: dict[str, Template], run: Role) -> None:
    sessions = table(templates, "Sessions")
    assert run.may("dynamodb:UpdateItem", sessions, dynamodb_LeadingKeys=["amelia#s"])
    assert not run.may("dynamodb:UpdateItem", sessions, dynamodb_LeadingKeys=["plain#s"])
    assert not run.may("dynamodb:UpdateItem", sessions)
    assert not run.may("dynamodb:UpdateItem", table(templates, "Commands"), dynamodb_LeadingKeys=["amelia#s"])


FUNCTIONS: dict[str, dict[str, set[str]]] = {
    "Intake": {
        "Sessions": {"GetItem", "UpdateItem"},
        "Commands": {"GetItem", "PutItem", "UpdateItem", "Query"},
        "Spending": {"GetItem"},
    },
    "CommitMessage": {"Commands": {"GetItem", "UpdateItem"}},
    "RecordSync": {"Commands": {"UpdateItem"}, "Deployments": {"PutItem", "UpdateItem", "Query"}},
    "TaskStopped": {"Sessions": {"UpdateItem"}},
    "Respond": {
        "Sessions": {"GetItem", "UpdateItem"},
        "Commands": {"GetItem", "UpdateItem"},
        "Spending": {"UpdateItem"},
    },
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_the_tables_and_actions_that_it_uses(templates: dict[str, Template], function: str) -> None:
    role = Role(templates, PLATFORM, f"{function}FunctionServiceRole")
    everything = ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem")
    names = [n for n, r in templates[PLATFORM]["Resources"].items() if r["Type"] == "AWS::DynamoDB::Table"]
    found: dict[str, Any] = {}
    for name in names:
        allowed = {a for a in everything if role.may(f"dynamodb:{a}", f"arn:{PLATFORM}/{name}")}
        if allowed:
            found[name.removeprefix("Storage")[:-8]] = allowed
    assert found == FUNCTIONS[function]
