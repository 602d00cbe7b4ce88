"""record_sync against moto's S3 and DynamoDB."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from contracts.manifest import Manifest, ManifestEntry
from contracts.names import manifest_key
from contracts.records import CommandRecord
from contracts.steps import BuildResult
from lambdas.record_sync import handler as entry
from tests.unit.lambdas.aws_support import NOW, REGION, item, make_table

SITE, ARTIFACTS, KEY = "edit.amelia.example.com", "artifacts", manifest_key("amelia")


class World:
    def __init__(self) -> None:
        self.s3 = boto3.client("s3", REGION)
        for bucket in (SITE, ARTIFACTS):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.commands = make_table("commands", "sessionId", "commandId")
        self.deployments = make_table("deployments", "clientId", "deploymentId")
        self.commands.put_item(Item=CommandRecord(session_id="s", command_id="c", accepted_at=NOW).to_item())

    def put(self, key: str, body: str = "x") -> ManifestEntry:
        etag = self.s3.put_object(Bucket=SITE, Key=key, Body=body.encode())["ETag"].strip('"')
        return ManifestEntry(md5=etag, size=len(body), content_type="text/html", cache_control="c", etag=etag)

    def book(self, deployment: str = "d1", **changes: Any) -> None:
        manifest = Manifest.model_validate(
            {"client_id": "amelia", "deployment_id": deployment, "created_at": NOW, **changes}
        )
        self.s3.put_object(Bucket=ARTIFACTS, Key=KEY, Body=manifest.to_bytes())

    def manifest(self) -> Manifest:
        return Manifest.from_bytes(self.s3.get_object(Bucket=ARTIFACTS, Key=KEY)["Body"].read())

    def run(self, deployment: str = "d1", command: str = "c", **changes: Any) -> dict[str, Any]:
        build = BuildResult(
            commit="abc", build_success=True, deploy_success=True, deployment_id=deployment, uploaded=2, unchanged=1
        ).model_copy(update=changes)
        event = {
            "sessionId": "s",
            "commandId": command,
            "clientId": "amelia",
            "siteBucket": SITE,
            "build": build.model_dump(mode="json", by_alias=True),
        }
        answer: dict[str, Any] = entry.handler(event, None)  # type: ignore[arg-type]
        return answer


@pytest.fixture
def world(aws: pytest.MonkeyPatch) -> World:
    for name, value in {
        "ARTIFACTS_BUCKET": ARTIFACTS,
        "COMMANDS_TABLE": "commands",
        "DEPLOYMENTS_TABLE": "deployments",
    }.items():
        aws.setenv(name, value)
    return World()


def test_a_whole_publish_is_recorded_on_deployment_and_command(world: World) -> None:
    world.book(files={"index.html": world.put("index.html")})
    answer = world.run()
    assert (answer["files"], answer["driftCount"]) == (1, 0)
    record = item(world.deployments, clientId="amelia", deploymentId="d1")
    assert (record["commit"], record["uploaded"], record["files"]) == ("abc", 2, 1)
    assert item(world.commands, sessionId="s", commandId="c")["sync"]["deploymentId"] == "d1"
    assert world.run() == answer


def test_a_skipped_build_is_checked_and_leaves_the_record_of_its_deployment(world: World) -> None:
    world.book(files={"index.html": world.put("index.html")})
    world.run()
    world.commands.put_item(Item=CommandRecord(session_id="s", command_id="c2", accepted_at=NOW).to_item())
    world.put("strange.html")
    answer = world.run(command="c2", skipped=True, uploaded=0, unchanged=0)
    assert answer["drift"] == ["strange.html"] and world.manifest().reconcile
    record = item(world.deployments, clientId="amelia", deploymentId="d1")
    assert (record["commandId"], record["uploaded"]) == ("c", 2)
    assert item(world.commands, sessionId="s", commandId="c2")["sync"]["deploymentId"] == "d1"


def test_a_publish_that_died_before_its_books_is_recorded_by_the_step_that_found_it_live(world: World) -> None:
    world.book(files={"index.html": world.put("index.html")})
    world.run(skipped=True, uploaded=0, unchanged=0)
    assert item(world.deployments, clientId="amelia", deploymentId="d1")["commit"] == "abc"


def test_drift_makes_the_next_publish_reconcile(world: World) -> None:
    files = {"index.html": world.put("index.html"), "gone.html": world.put("gone.html")}
    world.book(files=files)
    world.s3.delete_object(Bucket=SITE, Key="gone.html")
    world.put("strange.html")
    assert world.run()["drift"] == ["gone.html", "strange.html"]
    assert world.manifest().reconcile


def test_an_asset_over_its_grace_is_marked_due(world: World) -> None:
    old = world.put("_astro/a.abcdef12.js").model_copy(update={"retired_at": 0})
    world.book(files={"_astro/a.abcdef12.js": old})
    assert world.run()["due"] == 1
    assert world.manifest().files["_astro/a.abcdef12.js"].due


def test_the_mark_of_a_running_publish_stays(world: World) -> None:
    # d2 has booked itself and not yet touched the bucket, so nothing seems to be wrong with it.
    world.book("d2", files={"index.html": world.put("index.html")}, complete=False, reconcile=True)
    before = world.s3.head_object(Bucket=ARTIFACTS, Key=KEY)["LastModified"], world.manifest()
    answer = world.run("d1")
    assert (world.s3.head_object(Bucket=ARTIFACTS, Key=KEY)["LastModified"], world.manifest()) == before
    assert world.manifest().reconcile
    assert (answer["deploymentId"], answer["driftCount"]) == ("d1", 0)
    assert "sync" in item(world.commands, sessionId="s", commandId="c")


def test_what_a_running_publish_has_uploaded_is_no_drift_of_ours(world: World) -> None:
    world.book("d2", files={"index.html": world.put("index.html")}, reconcile=True)
    world.put("index.html", "newer")
    assert world.run("d1")["driftCount"] == 0


def test_a_publish_that_begins_during_the_check_keeps_its_mark(world: World, aws: pytest.MonkeyPatch) -> None:
    page = world.put("index.html")
    world.book("d1", files={"index.html": page, "gone": page})
    listed = entry.list_bucket

    def meanwhile(bucket: str) -> Any:
        found = listed(bucket)
        aws.setattr(entry, "list_bucket", listed)
        world.book("d2", files={"index.html": page}, complete=False, reconcile=True)
        return found

    aws.setattr(entry, "list_bucket", meanwhile)
    world.run("d1")
    assert world.manifest().deployment_id == "d2"
    assert world.manifest().reconcile


def test_books_that_cannot_be_read_fail_the_check(world: World) -> None:
    with pytest.raises(ClientError):
        world.run()
    assert "sync" not in item(world.commands, sessionId="s", commandId="c")
    world.s3.put_object(Bucket=ARTIFACTS, Key=KEY, Body=b"{")
    with pytest.raises(ValueError, match="unpacked"):
        world.run()
