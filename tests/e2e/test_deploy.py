"""Runs `cdk deploy` and `cdk destroy`: a second deployment, an update, a new site and the end change nothing else.

Uses a separate emulator, and a copy of the sources that the test may edit.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sitewright.contracts.names import function_name
from sitewright.local.aws_clients import Aws
from sitewright.local.machine.marked_processes import processes_of_stack
from sitewright.local.machine.service_processes import ProcessRecord, stop
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack import cdk_deploy
from tests.home import HOME, REPO, sitewright

SOURCES = ("app.py", "cdk.json", "container", "lambdas", "requirements.txt", "sitewright", "stacks")
EDIT = '\n\ndef handler(event: object, context: object) -> dict[str, str]:\n    return {"edited": "yes"}\n'
ONE_SITE = ("Sitewright-Site-first", "--exclusively", "--require-approval", "never")
Snapshot = dict[str, Any]


@dataclass
class Checkout:
    """A copy of the sources, and the stack deployed from it."""

    tree: Path
    home: Home

    def up(self, *arguments: str) -> str:
        done = sitewright("up", *arguments, home=self.home.root, cwd=self.tree)
        return done.stdout + done.stderr

    @property
    def state(self) -> Snapshot:
        found: Snapshot = json.loads(self.home.state_file.read_text())
        return found

    @property
    def aws(self) -> Aws:
        return Aws(f"http://127.0.0.1:{self.state['ports']['emulator']}", cdk_deploy.REGION)

    def cdk(self, *arguments: str) -> str:
        """Runs `cdk` on the app that `up` synthesized. Returns its output."""
        log = self.home.log / "deploy.log"
        before = log.stat().st_size
        cdk_deploy.synthesized(self.home, self.aws.endpoint_url, *arguments)
        return log.read_bytes()[before:].decode()

    def stacks(self) -> dict[str, Snapshot]:
        """Returns each stack with its times, its events and its resources."""
        found = {}
        cloudformation = self.aws.cloudformation
        for stack in cloudformation.describe_stacks()["Stacks"]:
            name = stack["StackName"]
            events = cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
            resources = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
            found[name] = {
                "updated": stack.get("LastUpdatedTime"),
                "status": stack["StackStatus"],
                "events": [event["EventId"] for page in events for event in page["StackEvents"]],
                "resources": {
                    resource["LogicalResourceId"]: (resource["ResourceType"], resource["PhysicalResourceId"])
                    for page in resources
                    for resource in page["StackResourceSummaries"]
                },
            }
        return found

    def platform_template(self) -> str:
        """Returns the platform's template as it is deployed, with a word in place of the digests of assets."""
        found = self.aws.cloudformation.get_template(StackName="Sitewright-Platform")["TemplateBody"]
        return re.sub(r"[0-9a-f]{64}", "digest", json.dumps(found))

    def functions(self) -> dict[str, tuple[str, str]]:
        """Returns each function's code and the time of its last change."""
        return {
            function["FunctionName"]: (function["CodeSha256"], function["LastModified"])
            for function in self.aws.functions.list_functions()["Functions"]
        }

    def tables(self) -> dict[str, Any]:
        client = self.aws.dynamodb.meta.client
        names = client.list_tables()["TableNames"]
        return {name: client.describe_table(TableName=name)["Table"]["CreationDateTime"] for name in names}

    def buckets(self) -> dict[str, Any]:
        return {bucket["Name"]: bucket["CreationDate"] for bucket in self.aws.s3.list_buckets()["Buckets"]}

    def machines(self) -> dict[str, Any]:
        found = self.aws.sfn.list_state_machines()["stateMachines"]
        return {machine["name"]: machine["creationDate"] for machine in found}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: str) -> Iterator[Checkout]:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in SOURCES:
        if (REPO / name).is_dir():
            shutil.copytree(REPO / name, tree / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        else:
            shutil.copy(REPO / name, tree / name)
    cdk = tree / "tools/cdk"
    shutil.copytree(REPO / "tools/cdk", cdk, ignore=shutil.ignore_patterns("node_modules"))
    (cdk / "node_modules").symlink_to(REPO / "tools/cdk/node_modules")
    monkeypatch.setattr(cdk_deploy, "REPOSITORY_ROOT", tree)
    home = Home(HOME / f"deploy-{worker}")
    shutil.rmtree(home.root, ignore_errors=True)
    yield Checkout(tree, home)
    sitewright("down", home=home.root, check=False)
    stop([record for path in home.run.glob("**/*.json") if (record := ProcessRecord.load(path))], 5)
    left = processes_of_stack(home.root)
    shutil.rmtree(home.root, ignore_errors=True)
    assert not left, "`down` left processes behind"


@pytest.mark.timeout(600)  # four deployments: minutes where the machine is busy
def test_the_life_of_a_deployment(checkout: Checkout) -> None:
    checkout.up("--client", "first")
    assert set(checkout.stacks()) == {"CDKToolkit", "Sitewright-Platform", "Sitewright-Site-first"}

    a_second_deploy_changes_nothing(checkout)
    an_edited_lambda_and_another_site_come_with_the_next_up(checkout)
    a_removed_site_gets_its_bucket_back(checkout)
    the_platform_is_not_destroyed_by_mistake(checkout)
    destroy_leaves_the_retained_and_nothing_else(checkout)


def a_second_deploy_changes_nothing(checkout: Checkout) -> None:
    before = (checkout.stacks(), checkout.functions(), checkout.tables(), checkout.buckets(), checkout.machines())

    said = checkout.cdk("deploy", "--all", "--require-approval", "never")

    assert "Sitewright-Platform (no changes)" in said, said
    assert "Sitewright-Site-first (no changes)" in said, said
    after = (checkout.stacks(), checkout.functions(), checkout.tables(), checkout.buckets(), checkout.machines())
    assert after == before
    log_size = (checkout.home.log / "deploy.log").stat().st_size
    assert "deployed" not in checkout.up()
    assert (checkout.home.log / "deploy.log").stat().st_size == log_size, "`up` deployed what is deployed"


def an_edited_lambda_and_another_site_come_with_the_next_up(checkout: Checkout) -> None:
    stacks, functions, template = checkout.stacks(), checkout.functions(), checkout.platform_template()
    tables, buckets, machines = checkout.tables(), checkout.buckets(), checkout.machines()
    checkout.aws.s3.put_object(Bucket="edit.first.webordinary.com", Key="kept.txt", Body=b"kept")
    with (checkout.tree / "lambdas/commit_message/handler.py").open("a") as file:
        file.write(EDIT)

    assert "deployed" in checkout.up("--client", "second"), "the edit was not picked up"

    answer = checkout.aws.functions.invoke(FunctionName=function_name("commit_message"), Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {"edited": "yes"}
    # The functions share one asset. All have the new code, and none was replaced.
    assert set(checkout.functions()) == set(functions)
    assert not {code for code, _ in checkout.functions().values()} & {code for code, _ in functions.values()}
    after = checkout.stacks()
    assert set(after) - set(stacks) == {"Sitewright-Site-second"}
    assert after["Sitewright-Site-first"] == stacks["Sitewright-Site-first"]
    assert after["Sitewright-Platform"]["resources"] == stacks["Sitewright-Platform"]["resources"]
    assert after["Sitewright-Platform"]["updated"] != stacks["Sitewright-Platform"]["updated"]
    assert checkout.platform_template() == template, "another site changed the platform"
    assert checkout.tables() == tables
    assert checkout.buckets().items() >= buckets.items()
    assert checkout.machines().items() >= machines.items()


def a_removed_site_gets_its_bucket_back(checkout: Checkout) -> None:
    before = checkout.stacks()["Sitewright-Site-first"]["resources"]

    checkout.cdk("destroy", "Sitewright-Site-first", "--force")

    assert "Sitewright-Site-first" not in checkout.stacks()
    assert "sitewright-first" not in checkout.machines()
    assert _kept(checkout) == b"kept"

    # `deploy --import-existing-resources` does it at once, but the emulator's check before a creation refuses the name.
    [bucket] = [name for name, (kind, _) in before.items() if kind == "AWS::S3::Bucket"]
    mapping = json.dumps({bucket: {"BucketName": "edit.first.webordinary.com"}})
    checkout.cdk("import", "Sitewright-Site-first", "--resource-mapping-inline", mapping)
    checkout.cdk("deploy", *ONE_SITE)

    assert checkout.stacks()["Sitewright-Site-first"]["resources"].keys() == before.keys()
    assert _kept(checkout) == b"kept"


def the_platform_is_not_destroyed_by_mistake(checkout: Checkout) -> None:
    with pytest.raises(ClientError, match="TerminationProtection"):
        checkout.aws.cloudformation.delete_stack(StackName="Sitewright-Platform")

    assert checkout.stacks()["Sitewright-Platform"]["status"].endswith("_COMPLETE")
    checkout.aws.cloudformation.update_termination_protection(
        StackName="Sitewright-Platform", EnableTerminationProtection=False
    )


def _kept(checkout: Checkout) -> bytes:
    return checkout.aws.s3.get_object(Bucket="edit.first.webordinary.com", Key="kept.txt")["Body"].read()


def destroy_leaves_the_retained_and_nothing_else(checkout: Checkout) -> None:
    tables, buckets, aws = checkout.tables(), checkout.buckets(), checkout.aws

    checkout.cdk("destroy", "--all", "--force")

    assert set(checkout.stacks()) == {"CDKToolkit"}
    assert checkout.tables() == tables
    assert checkout.buckets() == buckets
    assert len(tables) == 4
    assert sorted(name.split(".")[0] for name in buckets if "cdk" not in name)[:2] == ["edit", "edit"]
    assert _kept(checkout) == b"kept"
    assert not checkout.functions()
    assert not checkout.machines()
    assert not aws.sqs.list_queues().get("QueueUrls")
    assert not aws.events.list_rules()["Rules"]
    assert not aws.logs.describe_log_groups(logGroupNamePrefix="/sitewright")["logGroups"]
    assert not aws.functions.list_event_source_mappings()["EventSourceMappings"]
    # The operator stored the secrets, so no stack deletes them.
    names = {parameter["Name"] for parameter in aws.ssm.describe_parameters()["Parameters"]}
    assert all("/sitewright/secrets/" in name for name in names if "sitewright" in name), names
    clusters = aws.ecs.describe_clusters(clusters=aws.ecs.list_clusters()["clusterArns"])["clusters"]
    assert not [cluster["clusterName"] for cluster in clusters if cluster["status"] == "ACTIVE"]
