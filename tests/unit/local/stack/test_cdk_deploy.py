"""The bootstrap stack, against moto. `cdk deploy` uses it in the end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from sitewright.local.aws_clients import Aws
from sitewright.local.errors import DeployFailed
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack import cdk_deploy


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield SimpleNamespace(cloudformation=boto3.client("cloudformation", region_name="us-west-2"))


def test_a_failed_bootstrap_says_why(aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"StackStatus": "ROLLBACK_COMPLETE", "StackStatusReason": "the bucket exists"}
    monkeypatch.setattr(aws.cloudformation, "create_stack", lambda **_: None)
    monkeypatch.setattr(aws.cloudformation, "describe_stacks", lambda **_: {"Stacks": [said]})

    with pytest.raises(DeployFailed) as failed:
        cdk_deploy.bootstrap(Home(tmp_path), cast(Aws, aws))

    assert failed.value.tail == "ROLLBACK_COMPLETE: the bucket exists"


def test_a_bootstrap_that_was_interrupted_goes_on(aws: Any, tmp_path: Path) -> None:
    client = aws.cloudformation
    client.create_stack(StackName="CDKToolkit", TemplateBody='{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}')

    cdk_deploy.bootstrap(Home(tmp_path), cast(Aws, aws))

    assert client.describe_stacks()["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
