"""An account with a published site in moto, and its command line."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner, Result

import sitewright.cli.aws_access
import sitewright.cli.main
from sitewright.cli.main import app
from sitewright.contracts.names import SITE_PARAMETER_PREFIX, deployment_key, manifest_key
from sitewright.contracts.records import DeploymentRecord, SiteEntry
from sitewright.local.errors import LocalError
from sitewright.publishing.manifest import Manifest, ManifestEntry

REGION, BUCKET, ARTIFACTS, TABLE = "eu-central-1", "edit.amelia.example.com", "artifacts", "deployments"
ENTRY = SiteEntry(
    client_id="amelia",
    state_machine_arn="arn:aws:states:eu-central-1:1:stateMachine:m",
    site_url="http://edit.amelia.example.com",
    bucket=BUCKET,
    artifacts_bucket=ARTIFACTS,
    deployments_table=TABLE,
)


class Account:
    """A deployed site."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3", REGION)
        for bucket in (BUCKET, ARTIFACTS):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.table = boto3.resource("dynamodb", REGION).create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "clientId", "KeyType": "HASH"},
                {"AttributeName": "deploymentId", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "clientId", "AttributeType": "S"},
                {"AttributeName": "deploymentId", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("ssm", REGION).put_parameter(
            Name=f"{SITE_PARAMETER_PREFIX}amelia", Value=ENTRY.to_json(), Type="String"
        )
        self.files: dict[str, ManifestEntry] = {}

    def publish(self, name: str, pages: dict[str, str], **changes: Any) -> Manifest:
        """Makes the bucket contain `pages`, and writes the manifests."""
        for key in self.files.keys() - pages.keys():
            self.s3.delete_object(Bucket=BUCKET, Key=key)
        files = {}
        for key, text in pages.items():
            headers = {"ContentType": "text/html; charset=utf-8", "CacheControl": "public, max-age=0, must-revalidate"}
            put = self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode(), **headers)  # type: ignore[arg-type]
            etag = put["ETag"].strip('"')
            files[key] = ManifestEntry(
                md5=etag,
                size=len(text.encode()),
                content_type=headers["ContentType"],
                cache_control=headers["CacheControl"],
                etag=etag,
                version_id=put["VersionId"],
            )
        self.files = files
        manifest = Manifest(
            client_id="amelia", bucket=BUCKET, deployment_id=name, commit=f"commit-{name}", created_at=1, files=files
        )
        manifest = manifest.model_copy(update=changes)
        self.write_manifest(manifest, deployment_key("amelia", name))
        self.write_manifest(manifest)
        self.record(name)
        return manifest

    def write_manifest(self, manifest: Manifest, key: str = manifest_key("amelia")) -> None:
        self.s3.put_object(Bucket=ARTIFACTS, Key=key, Body=manifest.to_bytes())

    def record(self, name: str, **changes: Any) -> DeploymentRecord:
        base: dict[str, Any] = {
            "client_id": "amelia",
            "deployment_id": name,
            "session_id": "session-1",
            "command_id": "c",
            "commit": f"commit-{name}",
            "created_at": 1_760_000_000_000,
            "deploy_success": True,
            "manifest_key": deployment_key("amelia", name),
        }
        numbers = dict.fromkeys(("files", "bytes", "uploaded", "deleted", "unchanged"), 3)
        record = DeploymentRecord.model_validate({**base, **numbers, **changes})
        self.table.put_item(Item=record.to_item())
        return record

    def records(self) -> dict[str, DeploymentRecord]:
        found = (DeploymentRecord.from_item(dict(item)) for item in self.table.scan()["Items"])
        return {record.deployment_id: record for record in found}

    def live(self) -> Manifest:
        return Manifest.from_bytes(self.s3.get_object(Bucket=ARTIFACTS, Key=manifest_key("amelia"))["Body"].read())

    def pages(self) -> dict[str, str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {o["Key"]: self.s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read().decode() for o in found}


@pytest.fixture(name="account")
def account_fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sitewright.cli.main, "out", Console(width=200))
    # moto sees only botocore's requests.
    monkeypatch.setattr(sitewright.cli.aws_access, "small_object_client", lambda *_: None)
    with mock_aws():
        yield Account()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--aws", "--region", REGION])


def refusal(*arguments: str) -> LocalError:
    """Returns the command's error, which `main` prints as one line before exit code 2."""
    done = run(*arguments)
    assert isinstance(done.exception, LocalError), (done.output, done.exception)
    assert done.stdout == ""
    return done.exception
