"""Constructs in small stacks: the effects of the context and of the checkout."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sitewright.contracts.names import IMAGE_REPOSITORY
from tests.support.stacks.policies import text
from tests.support.stacks.synthesized_templates import PLATFORM, Template, actions, of_type, statements

REPO = Path(__file__).parents[3]
IMAGES = {
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/workspace:1": (
        ":ecr:eu-west-1:123456789012:repository/team/workspace"
    ),
    "123456789012.dkr.ecr.us-west-2.amazonaws.com/w@sha256:" + "a" * 64: ":ecr:us-west-2:123456789012:repository/w",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/w": ":ecr:cn-north-1:123456789012:repository/w",
    "public.ecr.aws/x/workspace:1": None,
    "example/workspace:1": None,
}
"""Context `workspaceImage`, and the ECR repository that the role which starts tasks may then pull from."""


def test_an_image_in_ecr_may_be_pulled(synthesis: Any, tmp_path: Path) -> None:
    found = synthesis.workspaces(tmp_path / "cdk", list(IMAGES))
    for template, (image, repository) in zip(found, IMAGES.items(), strict=True):
        pulls = [s for s in statements(template, "TaskStartRole") if "ecr:BatchGetImage" in actions(s)]
        ends = [text({}, "Stack", s["Resource"]).endswith(f"{repository}") for s in pulls]
        assert ends == ([True] if repository else []), image
        [task] = of_type(template, "AWS::ECS::TaskDefinition")
        assert task["ContainerDefinitions"][0]["Image"] == image


def test_sites_share_the_one_image_that_codebuild_makes(templates: dict[str, Template]) -> None:
    sites = {name: template for name, template in templates.items() if "-Site-" in name}
    assert len(sites) > 2
    [build] = of_type(templates[PLATFORM], "Custom::CDKContainerImageBuild")
    assert int(build["ServiceTimeout"]) <= 3600
    for template in sites.values():
        assert not of_type(template, "Custom::CDKContainerImageBuild")
        [task] = of_type(template, "AWS::ECS::TaskDefinition")
        image = json.dumps(task["ContainerDefinitions"][0]["Image"])
        assert f'{IMAGE_REPOSITORY}:{build["imageTag"]}"' in image
        # An export that a site imports could not change: the next image would be refused.
        assert "ImportValue" not in image


def test_sites_share_the_role_that_starts_their_tasks(templates: dict[str, Template]) -> None:
    own = statements(templates[PLATFORM], "TaskStartRole")
    [pull] = [s for s in own if "ecr:BatchGetImage" in actions(s)]
    [repository] = of_type(templates[PLATFORM], "AWS::ECR::Repository")
    assert repository["RepositoryName"] == IMAGE_REPOSITORY
    assert pull["Resource"]["Fn::GetAtt"][0].startswith("WorkspaceImageRepository")
    [log] = [s for s in own if "logs:PutLogEvents" in actions(s)]
    written = text(templates[PLATFORM], PLATFORM, log["Resource"]).split(":log-group:")[1]
    [role] = [r for r in of_type(templates[PLATFORM], "AWS::IAM::Role") if "RoleName" in r]
    for name, template in templates.items():
        if "-Site-" not in name:
            continue
        [task] = of_type(template, "AWS::ECS::TaskDefinition")
        assert text(template, name, task["ExecutionRoleArn"]).endswith(f":role/{role['RoleName']}")
        [passed] = [s["Resource"] for s in statements(template, "RunRole") if actions(s) == {"iam:PassRole"}]
        assert task["ExecutionRoleArn"] in passed
        options = task["ContainerDefinitions"][0]["LogConfiguration"]["Options"]
        group = template["Resources"][options["awslogs-group"]["Ref"]]["Properties"]["LogGroupName"]
        assert fnmatch.fnmatch(f"{group}:log-stream:x", written)


def test_codebuild_pushes_the_image_packed_with_zstd(templates: dict[str, Template], tmp_path: Path) -> None:
    [build] = of_type(templates[PLATFORM], "Custom::CDKContainerImageBuild")
    [project] = of_type(templates[PLATFORM], "AWS::CodeBuild::Project")
    assert project["Environment"]["Type"] == "ARM_CONTAINER"
    commands = json.loads(project["Source"]["BuildSpec"])["phases"]["build"]["commands"]
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@" >> "$CALLS"\n')
    docker.chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "buildCommand": build["buildCommand"],
        "repositoryUri": "1.dkr.ecr.us-west-2.amazonaws.com/w",
        "imageTag": "t1",
    }
    script = "\n".join(command for command in commands if "docker" in command and "aws ecr" not in command)
    subprocess.run(["sh", "-e", "-c", script], env=env, check=True)
    created, built = (tmp_path / "calls").read_text().splitlines()[-2:]
    assert created.startswith("buildx create --use --driver docker-container")
    [output] = re.findall(r"--output (\S+)", built)
    assert {"type=image", "name=1.dkr.ecr.us-west-2.amazonaws.com/w:t1", "push=true"} <= set(output.split(","))
    assert {"compression=zstd", "force-compression=true", "oci-mediatypes=true"} <= set(output.split(","))
    assert "--platform linux/arm64" in built and "--file container/Dockerfile" in built


def test_a_failed_build_answers_with_json(templates: dict[str, Template], tmp_path: Path) -> None:
    [project] = of_type(templates[PLATFORM], "AWS::CodeBuild::Project")
    commands = json.loads(project["Source"]["BuildSpec"])["phases"]["post_build"]["commands"]
    (tmp_path / "curl").write_text("#!/bin/sh\n")
    (tmp_path / "curl").chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CODEBUILD_BUILD_SUCCEEDING": "0",
        "AWS_REGION": "us-west-2",
        "projectName": "p",
        "CODEBUILD_LOG_PATH": "l",
    }
    subprocess.run(["sh", "-e", "-c", "\n".join(commands)], env=env, cwd=tmp_path, check=True)
    answer = json.loads((tmp_path / "payload.json").read_text())
    assert answer["Status"] == "FAILED"
    assert "reason: https://us-west-2.console.aws.amazon.com/" in answer["Reason"]


def test_the_operators_docker_builds_where_it_is_asked_to(synthesis: Any, tmp_path: Path) -> None:
    found = synthesis.sites_by_docker(tmp_path / "cdk")
    assert not any(of_type(template, "AWS::CodeBuild::Project") for template in found.values())
    images = set()
    for path in (tmp_path / "cdk").glob("*.assets.json"):
        images |= set(json.loads(path.read_text())["dockerImages"])
    assert len(images) == 1


def test_other_files_in_a_checkout_change_no_asset(synthesis: Any, tmp_path: Path) -> None:
    hashes = []
    for name in ("clean", "used"):
        checkout = tmp_path / name / "repository"
        for part in ("container", "sitewright", "lambdas"):
            shutil.copytree(REPO / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        if name == "used":
            junk = (".venv/lib/x.py", ".local/state", "container/workspace/__pycache__/x.pyc", "sitewright/.DS_Store")
            unused = ("sitewright/cli/x.py", "sitewright/local/x.py", "lambdas/intake/.mypy_cache/x", "README.md")
            for path in (*junk, *unused, "node_modules/a.js", "cdk.out/a"):
                (checkout / path).parent.mkdir(parents=True, exist_ok=True)
                (checkout / path).write_text(name)
        found = json.dumps(synthesis.assets_of_checkout(tmp_path / name / "cdk", checkout))
        hashes.append(sorted(set(re.findall(r"[0-9a-f]{64}", found))))
    assert len(hashes[0]) == 3
    assert hashes[0] == hashes[1]
