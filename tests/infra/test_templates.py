"""The synthesized templates: linted, validated, wrong entries refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from syrupy.assertion import SnapshotAssertion

from sitewright.contracts.site_config import SiteConfig, SiteConfigError, parse_sites
from sitewright.contracts.steps import StepEnv
from stacks.constructs import function, workspace_task
from stacks.constructs.workflow import definition
from stacks.platform_stack import PlatformStack
from stacks.site_stack import SiteStack
from tests.support.stacks.synthesized_templates import lint, stable
from tests.support.stacks.workflow_parts import PARTS

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


@pytest.mark.parametrize("name", ["Sitewright-Platform", "Sitewright-Site-amelia"])
def test_the_template_is_as_it_was(
    templates: dict[str, dict[str, Any]], snapshot: SnapshotAssertion, name: str
) -> None:
    assert stable(templates[name]) == snapshot


@pytest.mark.parametrize("name", ["Sitewright-Platform", "Sitewright-Site-amelia"])
def test_cfn_lint_finds_no_error(templates: dict[str, dict[str, Any]], tmp_path: Path, name: str) -> None:
    assert lint(templates[name], tmp_path, "us-west-2") == ""


def machine(idle_seconds: int = 300) -> dict[str, Any]:
    return definition(replace(PARTS, idle_seconds=idle_seconds))


@pytest.mark.parametrize("idle_seconds", [0, 300])
def test_the_state_machine_is_valid(tmp_path: Path, idle_seconds: int) -> None:
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(machine(idle_seconds)))
    node = Path(sys.executable).parent / "node"
    validator = REPO / "tools/cdk/node_modules/asl-validator/dist/bin/asl-validator.js"
    done = subprocess.run(
        [str(node), str(validator), "--json-path", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("idle_seconds", [0, 300])
def test_every_task_is_caught_bounded_and_retried(idle_seconds: int) -> None:
    states = machine(idle_seconds)["States"]
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    steps = {"Agent", "Build", "Repair", "Push", "Salvage"}
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


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        ('{"clientId": "a"}', ["sites:", "list"]),
        ("[3]", ["sites[0]:", "object"]),
        (
            '[{"clientId": "a", "repository": "https://h/r", "cpu": 512, "memoryMib": 8192}]',
            ["sites[0]", "'a'", "memoryMib"],
        ),
        ('[{"clientId": "a", "repository": "https://h/r", "cpu": 300}]', ["sites[0]", "'a'", "cpu", "256, 512"]),
        ('[{"clientId": "a", "repository": "https://h/r", "modle": "x"}]', ["sites[0]", "'a'", "did you mean 'model'"]),
        ('[{"clientId": "a"}]', ["sites[0]", "'a'", "repository: is missing"]),
        ('[{"clientId": "a", "repository": "https://h/r", "https": true}]', ["hostedZone", "certificateArn"]),
    ],
)
def test_the_line_names_the_entry_and_the_remedy(sites: str, says: list[str]) -> None:
    env = {**os.environ, "CDK_CONTEXT_JSON": json.dumps({"sites": sites})}
    done = subprocess.run([sys.executable, "app.py"], cwd=REPO, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert all(words in done.stderr for words in [*says, "cdk.json"]), done.stderr


def test_a_credential_is_not_repeated() -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_sites([{"clientId": "a", "repository": "https://u:hunter2@h/r.git"}])
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("cpu", "memory", "valid"),
    [
        (256, 512, True),
        (256, 4096, False),
        (4096, 30720, True),
        (8192, 20480, True),
        (8192, 17408, False),
        (16384, 122880, True),
    ],
)
def test_only_fargates_sizes_are_accepted(cpu: int, memory: int, valid: bool) -> None:
    entry = {"clientId": "a", "repository": "https://h/r", "cpu": cpu, "memoryMib": memory}
    if valid:
        assert parse_sites([entry])[0].memory_mib == memory
    else:
        with pytest.raises(SiteConfigError):
            parse_sites([entry])


def _statements(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return [
        statement
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy" and role in json.dumps(resource["Properties"]["Roles"])
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def _actions(statement: dict[str, Any]) -> set[str]:
    action = statement["Action"]
    return {action} if isinstance(action, str) else set(action)


def test_a_run_outlives_a_deployment(templates: dict[str, dict[str, Any]]) -> None:
    template = templates["Sitewright-Site-amelia"]
    [run] = [s for s in _statements(template, "RunRole") if "ecs:RunTask" in _actions(s)]
    assert json.dumps(run["Resource"]).endswith(':task-definition/sitewright-amelia:*"]]}')
    assert "ecs:cluster" in run["Condition"]["ArnEquals"]
    [passing] = [s for s in _statements(template, "RunRole") if "iam:PassRole" in _actions(s)]
    assert len(passing["Resource"]) == 2
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    [machine] = [r for r in template["Resources"].values() if r["Type"] == "AWS::StepFunctions::StateMachine"]
    [task] = [k for k, r in template["Resources"].items() if r["Type"] == "AWS::ECS::TaskDefinition"]
    assert task in machine["DependsOn"]
    assert task not in json.dumps(machine["Properties"])


def test_no_role_of_ours_has_more_than_the_actions_it_uses(templates: dict[str, dict[str, Any]]) -> None:
    site = templates["Sitewright-Site-amelia"]
    assert not {a for s in _statements(site, "RunRole") for a in _actions(s)} & {"ecs:StopTask", "events:PutRule"}
    task = _statements(site, "TaskRole")
    on_site = {a for s in task for a in _actions(s) if re.search(r'"Site[0-9A-F]{8}"', json.dumps(s["Resource"]))}
    writes = {"s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"}
    assert on_site == writes | {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"}
    for template in templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::IAM::Policy":
                for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                    assert not [a for a in _actions(statement) if a.endswith("*") or a == "iam:*"], statement


def test_an_event_that_cannot_be_delivered_is_kept_and_seen(templates: dict[str, dict[str, Any]]) -> None:
    resources = templates["Sitewright-Platform"]["Resources"].values()
    targets = [t for r in resources if r["Type"] == "AWS::Events::Rule" for t in r["Properties"]["Targets"]]
    assert len(targets) == 4
    assert all("FailedEvents" in json.dumps(target["DeadLetterConfig"]) for target in targets)
    watched = json.dumps([r["Properties"]["Dimensions"] for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"])
    assert all(name in watched for name in ("DeadLetters", "FailedEvents", "Input"))


def synthesize(tmp_path: Path, *, image: str | None = None, email: str | None = None) -> dict[str, dict[str, Any]]:
    app = cdk.App(outdir=str(tmp_path / "out"), context={"workspaceImage": image} if image else {})
    env = cdk.Environment(region="us-west-2")
    platform = PlatformStack(app, "Sitewright-Platform", alarm_email=email, env=env)
    SiteStack(app, "Sitewright-Site-amelia", platform=platform, site=SITE, env=env)
    return {s.stack_name: json.loads(Path(s.template_full_path).read_text()) for s in app.synth().stacks}


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/workspace:1",
            ":ecr:eu-west-1:123456789012:repository/team/workspace",
        ),
        (
            "123456789012.dkr.ecr.us-west-2.amazonaws.com/w@sha256:" + "a" * 64,
            ":ecr:us-west-2:123456789012:repository/w",
        ),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/w", ":ecr:cn-north-1:123456789012:repository/w"),
        ("public.ecr.aws/x/workspace:1", None),
        ("example/workspace:1", None),
    ],
)
def test_an_image_in_ecr_may_be_pulled(tmp_path: Path, image: str, repository: str | None) -> None:
    template = synthesize(tmp_path, image=image, email="ops@example.com")["Sitewright-Site-amelia"]
    pulls = [s for s in _statements(template, "ExecutionRole") if "ecr:BatchGetImage" in _actions(s)]
    assert [json.dumps(s["Resource"]).endswith(f'{repository}"]]}}') for s in pulls] == ([True] if repository else [])
    [task] = [r for r in template["Resources"].values() if r["Type"] == "AWS::ECS::TaskDefinition"]
    assert task["Properties"]["ContainerDefinitions"][0]["Image"] == image


def test_what_lies_about_in_a_checkout_changes_no_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = []
    for name in ("clean", "used"):
        checkout = tmp_path / name / "repository"
        for part in ("container", "contracts", "lambdas"):
            shutil.copytree(REPO / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        if name == "used":
            junk = (".venv/lib/x.py", ".local/state", "container/workspace/__pycache__/x.pyc", "contracts/.DS_Store")
            for path in (*junk, "lambdas/intake/.mypy_cache/x", "README.md", "node_modules/a.js", "cdk.out/a"):
                (checkout / path).parent.mkdir(parents=True, exist_ok=True)
                (checkout / path).write_text(name)
        for module in (function, workspace_task):
            monkeypatch.setattr(module, "REPOSITORY", checkout)
        found = json.dumps(synthesize(tmp_path / name))
        hashes.append(sorted(set(re.findall(r"[0-9a-f]{64}", found))))
    assert len(hashes[0]) == 2
    assert hashes[0] == hashes[1]
