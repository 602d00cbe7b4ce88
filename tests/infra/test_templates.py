"""The synthesized templates: linted, validated, wrong entries refused."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from syrupy.assertion import SnapshotAssertion

from contracts.site import SiteConfig
from contracts.steps import StepEnv
from stacks.constructs.workflow import WorkflowParts, definition
from stacks.platform_stack import PlatformStack
from stacks.site_stack import SiteStack

REPO = Path(__file__).parents[2]
SITE = SiteConfig(client_id="amelia", repository="https://github.com/example/amelia.git")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    app = cdk.App(outdir=str(tmp_path_factory.mktemp("cdk")), context={"workspaceImage": "example/workspace:1"})
    env = cdk.Environment(region="us-west-2")
    platform = PlatformStack(app, "Sitewright-Platform", env=env)
    SiteStack(app, "Sitewright-Site-amelia", platform=platform, site=SITE, env=env)
    assembly = app.synth()
    return {stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in assembly.stacks}


def _stable(value: Any) -> Any:
    """The template without what depends on the code's content: asset hashes."""
    if isinstance(value, dict):
        return {k: "ASSET" if k == "S3Key" else _stable(v) for k, v in value.items() if k != "aws:cdk:path"}
    return [_stable(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["Sitewright-Platform", "Sitewright-Site-amelia"])
def test_the_template_is_as_it_was(
    templates: dict[str, dict[str, Any]], snapshot: SnapshotAssertion, name: str
) -> None:
    assert _stable(templates[name]) == snapshot


@pytest.mark.parametrize("name", ["Sitewright-Platform", "Sitewright-Site-amelia"])
def test_cfn_lint_finds_no_error(templates: dict[str, dict[str, Any]], tmp_path: Path, name: str) -> None:
    file = tmp_path / "template.json"
    file.write_text(json.dumps(templates[name]))
    argv = [str(Path(sys.executable).parent / "cfn-lint"), "--non-zero-exit-code", "error", "-r", "us-west-2", "--"]
    done = subprocess.run([*argv, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def machine(idle_seconds: int = 300) -> dict[str, Any]:
    parts = WorkflowParts(
        partition="aws",
        cluster_arn="arn:aws:ecs:us-west-2:123456789012:cluster/c",
        task_definition="sitewright-amelia",
        subnets=["subnet-1"],
        security_group="sg-1",
        commit_message_arn="arn:aws:lambda:us-west-2:123456789012:function:m",
        record_sync_arn="arn:aws:lambda:us-west-2:123456789012:function:r",
        site_bucket="edit.amelia.example.com",
        sessions_table="Sessions",
        idle_seconds=idle_seconds,
        agent_seconds=1800,
        build_seconds=900,
        push_seconds=300,
        run_seconds=5400,
    )
    return definition(parts)


@pytest.mark.parametrize("idle_seconds", [0, 300])
def test_the_state_machine_is_valid(tmp_path: Path, idle_seconds: int) -> None:
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(machine(idle_seconds)))
    node = Path(sys.executable).parent / "node"
    validator = REPO / "local/tools/node_modules/asl-validator/dist/bin/asl-validator.js"
    done = subprocess.run(
        [str(node), str(validator), "--json-path", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("idle_seconds", [0, 300])
def test_every_task_is_caught_bounded_and_retried(idle_seconds: int) -> None:
    states = machine(idle_seconds)["States"]
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    steps = {"Agent", "Build", "Push", "Salvage"}
    fresh = {f"{step}InNewWorkspace" for step in steps} if idle_seconds else set()
    assert set(tasks) == {"WriteCommitMessage", "RecordSync"} | steps | fresh
    for name, state in tasks.items():
        assert state["TimeoutSeconds"] > 0, name
        assert state["Retry"], name
        assert any("States.ALL" in catch["ErrorEquals"] for catch in state["Catch"]), name
        if state["Resource"].endswith(".waitForTaskToken"):
            assert state["HeartbeatSeconds"] < state["TimeoutSeconds"], name
            assert "Workspace.Interrupted" in state["Catch"][0]["ErrorEquals"], name


def test_the_override_stays_below_the_limit_of_ecs() -> None:
    overrides = machine()["States"]["AgentInNewWorkspace"]["Arguments"]["Overrides"]
    values = {StepEnv.TASK_TOKEN: "t" * 1024, StepEnv.SESSION_ID: "s" * 128, StepEnv.COMMAND_ID: "c" * 128}
    for pair in overrides["ContainerOverrides"][0]["Environment"]:
        pair["Value"] = values.get(pair["Name"], pair["Value"])
    assert len(json.dumps(overrides)) < 8192


def test_a_workspace_reaches_its_own_clients_artifacts_only(templates: dict[str, dict[str, Any]]) -> None:
    policies = [
        statement
        for resource in templates["Sitewright-Site-amelia"]["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy" and "TaskRole" in json.dumps(resource["Properties"]["Roles"])
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]
    artifacts = [s for s in policies if "Artifacts" in json.dumps(s["Resource"])]
    assert artifacts
    for statement in artifacts:
        assert "/amelia/*" in json.dumps(statement["Resource"]) or statement["Condition"]["StringLike"][
            "s3:prefix"
        ] == ["amelia/*"]


def test_nothing_costs_money_while_idle(templates: dict[str, dict[str, Any]]) -> None:
    types = {r["Type"] for t in templates.values() for r in t["Resources"].values()}
    assert not types & {"AWS::EC2::NatGateway", "AWS::EFS::FileSystem", "AWS::ECS::Service"}
    groups = [r for t in templates.values() for r in t["Resources"].values() if r["Type"] == "AWS::EC2::SecurityGroup"]
    assert groups
    assert not any("SecurityGroupIngress" in group["Properties"] for group in groups)


@pytest.mark.parametrize(
    ("sites", "mentions"),
    [
        ("[]", "sites"),
        ("{", "sites"),
        ('[{"clientId": "A B", "repository": "https://h/r.git"}]', "clientId"),
        ('[{"clientId": "a"}]', "repository"),
        ('[{"clientId": "a", "repository": "git@h:r.git"}]', "repository"),
        ('[{"clientId": "a", "repository": "https://u:p@h/r.git"}]', "credentials"),
        ('[{"clientId": "a", "repository": "https://h/r.git", "modle": "x"}]', "modle"),
        (
            '[{"clientId": "a", "repository": "https://h/r"}, {"clientId": "a", "repository": "https://h/r"}]',
            "sites[1]",
        ),
    ],
)
def test_a_wrong_entry_fails_with_one_line(sites: str, mentions: str) -> None:
    env = {**os.environ, "CDK_CONTEXT_JSON": json.dumps({"sites": sites})}
    done = subprocess.run([sys.executable, "app.py"], cwd=REPO, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert mentions in done.stderr
