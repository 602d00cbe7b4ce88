"""Reads, compares and lints synthesized templates."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

Template = dict[str, Any]
REGION = "us-west-2"
PLATFORM = "Sitewright-Platform"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-1111-2222-3333-444455556666"
ZONE = {"id": "Z0123456789ABCDEFGHIJ", "name": "webordinary.com"}
BASE = {"repository": "https://github.com/example/site.git"}
SITES: list[dict[str, Any]] = [
    {"clientId": "amelia", "repository": "https://github.com/example/amelia.git"},
    {"clientId": "zoned", **BASE, "https": True, "hostedZone": ZONE},
    {"clientId": "certified", **BASE, "https": True, "certificateArn": CERTIFICATE},
    {"clientId": "renamed", **BASE, "https": True, "certificateArn": CERTIFICATE, "bucketName": "sitewright-renamed"},
    {"clientId": "plain", **BASE, "hostedZone": ZONE["id"]},
    {"clientId": "apped", **BASE, "gitAuth": "github-app", "signCommits": True},
    {
        "clientId": "keyed",
        **BASE,
        "buildEnvironment": {"API_URL": "https://cms.example.com", "CMS_TOKEN": {"secret": "cms"}},
        "directory": "apps/web",
        "output": "website",
    },
    {"clientId": "bedrock", **BASE, "modelProvider": "bedrock", "model": "us.anthropic.claude-opus-5-5"},
]


def of_type(template: Template, kind: str) -> list[dict[str, Any]]:
    """Returns the properties of the resources of one type."""
    return [r["Properties"] for r in template["Resources"].values() if r["Type"] == kind]


def statements(template: Template, role: str = "") -> list[dict[str, Any]]:
    """Returns the policy statements of the roles whose logical id contains `role`."""
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy")
        if role in json.dumps(policy["Roles"])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def actions(statement: dict[str, Any]) -> set[str]:
    """Returns a statement's actions. CDK writes a single action as text."""
    action = statement["Action"]
    return {action} if isinstance(action, str) else set(action)


def stable(value: Any) -> Any:
    """Returns the template without asset hashes and paths, which depend on the code and the machine."""
    if isinstance(value, dict):
        return {k: "ASSET" if k == "S3Key" else stable(v) for k, v in value.items() if k != "Metadata"}
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{64}", "HASH", value)
    return [stable(v) for v in value] if isinstance(value, list) else value


def lint(templates: dict[str, Template], folder: Path, region: str) -> str:
    """Returns cfn-lint's findings for the templates of a region. Runs once for all, because its start takes seconds."""
    files = []
    for name, template in templates.items():
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps(template))
    # W3005: CDK writes what a function depends on, also where a reference says it already.
    argv = [str(Path(sys.executable).parent / "cfn-lint"), "--ignore-checks", "W3005", "-r", region, "--"]
    done = subprocess.run([*argv, *map(str, files)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
