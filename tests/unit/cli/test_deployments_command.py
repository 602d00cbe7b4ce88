"""`sitewright deployments` and `rollback` against a mocked account: what is printed, written and refused."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner, Result
from workspace.publish.transfer import Sender

import cli.main
from cli.main import app
from contracts.manifest import DEPLOYMENTS_KEPT, Manifest, ManifestEntry
from contracts.names import SITE_PARAMETER_PREFIX, deployment_key, manifest_key
from contracts.records import DeploymentRecord, SiteEntry
from local.errors import Interrupted, LocalError

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
        """Makes the bucket hold `pages`, and books it."""
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
        self.book(manifest, deployment_key("amelia", name))
        self.book(manifest)
        self.record(name)
        return manifest

    def book(self, manifest: Manifest, key: str = manifest_key("amelia")) -> None:
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


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cli.main, "out", Console(width=200))
    with mock_aws():
        yield Account()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--aws", "--region", REGION])


def refusal(*arguments: str) -> LocalError:
    """What the command ends with; `main` prints it as one line, exit code 2."""
    done = run(*arguments)
    assert isinstance(done.exception, LocalError), (done.output, done.exception)
    assert done.stdout == ""
    return done.exception


def test_the_deployments_are_listed_newest_first(account: Account) -> None:
    account.publish("d1", {"index.html": "one"})
    account.record("d2", deploy_success=False, manifest_key=None)
    account.publish("d3", {"index.html": "three"})
    account.record("d3", drift=["x.html"], drift_count=1)
    account.record("d0", manifest_key=None, ttl=1)
    listed = json.loads(run("deployments", "--json").stdout)
    assert [(d["deploymentId"], d["live"], d["rollbackTarget"]) for d in listed["deployments"]] == [
        ("d3", True, False),
        ("d2", False, False),
        ("d1", False, True),
        ("d0", False, False),
    ]
    newest = listed["deployments"][0]
    assert (newest["commit"], newest["driftCount"], newest["drift"]) == ("commit-d3", 1, ["x.html"])
    assert (newest["sessionId"], newest["uploaded"], newest["deleted"]) == ("session-1", 3, 3)
    assert listed["live"] == {
        "deploymentId": "d3",
        "commit": "commit-d3",
        "complete": True,
        "reconcile": False,
        "publishing": None,
    }
    shown = [line.split() for line in run("deployments").stdout.splitlines() if line.startswith("d")]
    assert [(words[0], words[-1]) for words in shown] == [
        ("d3", "live"),
        ("d2", "failed"),
        ("d1", "restorable"),
        ("d0", "gone"),
    ]


def test_a_publish_under_way_is_told(account: Account) -> None:
    account.publish("d1", {"index.html": "one"})
    account.book(account.live().model_copy(update={"holder": "session-2", "reconcile": True}))
    assert json.loads(run("deployments", "--json").stdout)["live"]["publishing"] == "session-2"
    assert "A publish is under way (session-2)." in run("deployments").stderr


def test_nothing_published_is_an_empty_list(account: Account) -> None:
    assert json.loads(run("deployments", "--json").stdout) == {
        "clientId": "amelia",
        "siteUrl": ENTRY.site_url,
        "live": None,
        "deployments": [],
    }
    assert "No deployments yet." in run("deployments").stdout


def test_more_records_than_a_query_gives(account: Account) -> None:
    account.publish("d000", {"index.html": "one"})
    for number in range(1, 3 * DEPLOYMENTS_KEPT):
        failed: dict[str, Any] = {"deploy_success": False, "manifest_key": None} if number % 3 else {}
        account.record(f"d{number:03d}", **failed)
    listed = json.loads(run("deployments", "--json").stdout)["deployments"]
    assert len(listed) == 3 * DEPLOYMENTS_KEPT
    assert listed[-1]["live"]


def test_a_site_that_is_not_there(account: Account) -> None:
    for command in ("deployments", "rollback"):
        error = refusal(command, "--client", "nobody")
        assert error.message == "There is no site 'nobody' on eu-central-1."


def test_refused_credentials_are_one_line(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    error = refusal("deployments")
    assert "not-there" in error.message
    assert "aws sts get-caller-identity" in error.remedy


def test_a_region_without_aws_is_refused(account: Account) -> None:
    done = CliRunner().invoke(app, ["deployments", "--region", REGION])
    assert isinstance(done.exception, LocalError)
    assert "--aws" in done.exception.remedy


ONE = {"index.html": "one", "old page+%.html": "gone in two", "same.html": "same"}
TWO = {"index.html": "two!", "new/ü.html": "new in two", "same.html": "same"}


def test_a_rollback_is_a_deployment_of_the_older_files(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    done = json.loads(run("rollback", "--json").stdout)
    assert account.pages() == ONE
    live, record = account.live(), account.records()[done["deploymentId"]]
    assert done["rolledBackTo"] == record.rolled_back_to == "20260101T000000000Z-one"
    assert done["siteUrl"] == ENTRY.site_url
    assert (live.deployment_id, live.commit, live.complete) == (
        done["deploymentId"],
        "commit-20260101T000000000Z-one",
        True,
    )
    assert (live.holder, live.reconcile) == (None, False)
    assert {key: entry.md5 for key, entry in live.files.items()} == {
        key: account.s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"') for key in ONE
    }
    assert (record.session_id, record.command_id) == ("rollback", "rollback-to-20260101T000000000Z-one")
    assert (record.files, record.deploy_success, record.ttl) == (3, True, None)
    assert record.bytes == sum(len(text) for text in ONE.values())
    assert record.deleted == 1
    assert record.manifest_key == deployment_key("amelia", record.deployment_id)
    stored = account.s3.get_object(Bucket=ARTIFACTS, Key=record.manifest_key)["Body"].read()
    assert Manifest.from_bytes(stored).files == live.files
    headers = account.s3.head_object(Bucket=BUCKET, Key="index.html")
    assert headers["ContentType"] == "text/html; charset=utf-8"
    assert headers["CacheControl"] == "public, max-age=0, must-revalidate"
    listed = json.loads(run("deployments", "--json").stdout)["deployments"]
    assert [entry["live"] for entry in listed] == [True, False, False]
    assert "live, rollback to 20260101T000000000Z-one" in run("deployments").stdout


def test_rolling_back_twice_brings_back_what_the_first_took_away(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    assert run("rollback").exit_code == 0
    done = run("rollback")
    assert account.pages() == TWO
    assert "20260101T000000001Z-two" in done.stdout
    assert done.stdout.rstrip().endswith(ENTRY.site_url)
    assert run("rollback", "--to", "20260101T000000000Z-one").exit_code == 0
    assert account.pages() == ONE


def test_what_others_changed_is_put_right_too(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    account.s3.put_object(Bucket=BUCKET, Key="same.html", Body=b"defaced")
    account.s3.put_object(Bucket=BUCKET, Key="strange.html", Body=b"x")
    account.book(account.live().model_copy(update={"reconcile": True}))
    assert run("rollback").exit_code == 0
    assert account.pages() == ONE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "20990101T000000000Z-none"), "There is no deployment"),
        (("--to", "20260101T000000001Z-two"), "is live already"),
        (("--to", "20250101T000000000Z-old"), "beyond the retention"),
    ],
)
def test_a_rollback_that_cannot_be_changes_nothing(account: Account, arguments: tuple[str, ...], says: str) -> None:
    account.record("20250101T000000000Z-old", manifest_key=None, ttl=1)
    account.publish("20260101T000000000Z-one", ONE)
    two = account.publish("20260101T000000001Z-two", TWO)
    error = refusal("rollback", *arguments)
    assert says in error.message
    assert account.pages() == TWO
    assert account.live() == two
    assert len(account.records()) == 3


def test_nothing_to_go_back_to(account: Account) -> None:
    assert "Nothing of amelia is published" in refusal("rollback").message
    account.publish("20260101T000000000Z-one", ONE)
    assert "nothing to go back to" in refusal("rollback").message
    assert account.pages() == ONE


def test_while_somebody_publishes_nothing_is_rolled_back(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    two = account.publish("20260101T000000001Z-two", TWO)
    held = two.model_copy(update={"holder": "session-2", "reconcile": True})
    account.book(held)
    error = refusal("rollback")
    assert "session-2" in error.message
    assert account.pages() == TWO
    assert account.live() == held
    assert len(account.records()) == 2


def test_ctrl_c_says_what_became_of_the_site_and_gives_it_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sender, "send", interrupted)
    error = refusal("rollback")
    assert isinstance(error, Interrupted) and "half restored" in error.message
    live = account.live()
    assert (live.holder, live.complete, live.reconcile) == (None, False, True)


def test_versions_that_are_gone_are_named_and_nothing_changes(account: Account) -> None:
    one = account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    account.s3.delete_object(Bucket=BUCKET, Key="index.html", VersionId=str(one.files["index.html"].version_id))
    error = refusal("rollback")
    assert "index.html" in error.message
    assert "20260101T000000000Z-one" not in {r.rolled_back_to for r in account.records().values()}
    assert account.pages()["index.html"] == "two!"


def test_a_manifest_that_is_gone_is_said(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    two = account.publish("20260101T000000001Z-two", TWO)
    account.s3.delete_object(Bucket=ARTIFACTS, Key=deployment_key("amelia", "20260101T000000000Z-one"))
    assert "20260101T000000000Z-one" in refusal("rollback").message
    assert account.live() == two
    assert account.pages() == TWO


def test_the_same_site_again_is_no_deployment(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    two = account.publish("20260101T000000001Z-two", ONE, commit="commit-20260101T000000000Z-one")
    error = refusal("rollback")
    assert "what 20260101T000000000Z-one was already" in error.message
    assert account.live() == two
    assert set(account.records()) == {"20260101T000000000Z-one", "20260101T000000001Z-two"}
    assert account.records()["20260101T000000001Z-two"].rolled_back_to is None


def test_lost_books_are_made_up_for(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    account.s3.delete_object(Bucket=ARTIFACTS, Key=manifest_key("amelia"))
    assert run("rollback", "--to", "20260101T000000000Z-one").exit_code == 0
    assert account.pages() == ONE


def test_cloudfront_is_told(account: Account) -> None:
    cloudfront = boto3.client("cloudfront", REGION)
    origin = {"Id": "o", "DomainName": "x.example.com", "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443}}
    origin["CustomOriginConfig"]["OriginProtocolPolicy"] = "http-only"  # type: ignore[index]
    config: Any = {
        "CallerReference": "x",
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all"},
        "Comment": "",
        "Enabled": True,
    }
    made = cloudfront.create_distribution(DistributionConfig=config)["Distribution"]["Id"]
    entry = ENTRY.model_copy(update={"distribution_id": made})
    name = f"{SITE_PARAMETER_PREFIX}amelia"
    boto3.client("ssm", REGION).put_parameter(Name=name, Value=entry.to_json(), Type="String", Overwrite=True)
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    assert run("rollback").exit_code == 0
    [invalidation] = cloudfront.list_invalidations(DistributionId=made)["InvalidationList"]["Items"]
    found = cloudfront.get_invalidation(DistributionId=made, Id=invalidation["Id"])["Invalidation"]
    assert found["InvalidationBatch"]["Paths"]["Items"] == ["/*"]
    cloudfront.delete_distribution(Id=made, IfMatch=cloudfront.get_distribution(Id=made)["ETag"])
    error = refusal("rollback")
    assert "CloudFront may still serve" in error.message
