"""record_sync against moto's S3 and DynamoDB."""

import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.record_sync import handler as entry
from lambdas.record_sync.deployment_sync import DeploymentSync
from sitewright.contracts.names import deployment_key, manifest_key
from sitewright.contracts.records import RECORD_TTL_DAYS, CommandRecord, DeploymentRecord
from sitewright.contracts.steps import BuildResult
from sitewright.publishing.after_publish import manifest_check, retention
from sitewright.publishing.manifest import Manifest, ManifestEntry
from sitewright.publishing.target import PublishTarget
from sitewright.tables.commands import item as command_item
from tests.support.lambdas.lambda_context import CONTEXT
from tests.support.lambdas.platform_tables import NOW, REGION, item, make_table

KEPT = 3
"""DEPLOYMENTS_KEPT in these tests: moto takes seconds for twenty deployments."""

SITE, ARTIFACTS, KEY = "edit.amelia.example.com", "artifacts", manifest_key("amelia")


class World:
    def __init__(self) -> None:
        self.s3 = boto3.client("s3", REGION)
        for bucket in (SITE, ARTIFACTS):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.commands = make_table("commands", "clientSession", "commandId")
        self.deployments = make_table("deployments", "clientId", "deploymentId")
        for command in ("c", "c2"):
            record = CommandRecord(client_id="amelia", session_id="s", command_id=command, accepted_at=NOW)
            self.commands.put_item(Item=command_item(record))

    def put(self, key: str, body: str = "x") -> ManifestEntry:
        etag = self.s3.put_object(Bucket=SITE, Key=key, Body=body.encode())["ETag"].strip('"')
        return ManifestEntry(md5=etag, size=len(body), content_type="text/html", cache_control="c", etag=etag)

    def write_manifest(self, deployment: str = "d1", **changes: Any) -> None:
        manifest = Manifest.model_validate(
            {"client_id": "amelia", "bucket": SITE, "deployment_id": deployment, "created_at": NOW, **changes}
        )
        self.s3.put_object(Bucket=ARTIFACTS, Key=KEY, Body=manifest.to_bytes())

    def publish(self, deployment: str) -> None:
        """Publishes: stores the manifest as the deployment's own and as the live one."""
        self.write_manifest(deployment)
        self.store(deployment)

    def store(self, deployment: str) -> None:
        """Stores the live manifest as a deployment's own."""
        self.s3.copy_object(
            Bucket=ARTIFACTS, Key=deployment_key("amelia", deployment), CopySource={"Bucket": ARTIFACTS, "Key": KEY}
        )

    def record(self, deployment: str) -> DeploymentRecord:
        return DeploymentRecord.from_item(item(self.deployments, clientId="amelia", deploymentId=deployment))

    def stored(self) -> set[str]:
        """Returns the ids of the deployments whose manifests are stored."""
        folder = deployment_key("amelia", "x").rpartition("/")[0] + "/"
        found = self.s3.list_objects_v2(Bucket=ARTIFACTS, Prefix=folder).get("Contents", [])
        return {entry["Key"].removeprefix(folder).removesuffix(".json.gz") for entry in found}

    def manifest(self) -> Manifest:
        return Manifest.from_bytes(self.s3.get_object(Bucket=ARTIFACTS, Key=KEY)["Body"].read())

    def run(self, deployment: str | None = "d1", command: str = "c", **changes: Any) -> dict[str, Any]:
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
        answer: dict[str, Any] = entry.handler(event, CONTEXT)
        return answer


@pytest.fixture
def world(aws: pytest.MonkeyPatch) -> World:
    for name, value in {
        "ARTIFACTS_BUCKET": ARTIFACTS,
        "COMMANDS_TABLE": "commands",
        "DEPLOYMENTS_TABLE": "deployments",
    }.items():
        aws.setenv(name, value)
    aws.setattr(retention, "DEPLOYMENTS_KEPT", KEPT)
    aws.setattr(retention, "RECORDS_PER_QUERY", KEPT + 10)
    return World()


def test_a_whole_publish_is_recorded_on_deployment_and_command(world: World) -> None:
    world.write_manifest(files={"index.html": world.put("index.html")})
    lost = {"lost": ["_astro/x.js"], "lost_count": 1, "broken_links": 2, "pages_removed_count": 3}
    answer = world.run(**lost)
    assert (answer["files"], answer["driftCount"]) == (1, 0)
    record = item(world.deployments, clientId="amelia", deploymentId="d1")
    assert (record["commit"], record["uploaded"], record["files"]) == ("abc", 2, 1)
    assert (record["lost"], record["lostCount"]) == (["_astro/x.js"], 1)
    assert (record["brokenLinks"], record["pagesRemovedCount"]) == (2, 3)
    assert record["manifestKey"] == deployment_key("amelia", "d1")
    assert "ttl" not in record
    assert item(world.commands, clientSession="amelia#s", commandId="c")["sync"]["deploymentId"] == "d1"
    assert world.run(**lost) == answer


def test_a_skipped_build_is_checked_and_leaves_the_record_of_its_deployment(world: World) -> None:
    world.write_manifest(files={"index.html": world.put("index.html")})
    world.run()
    world.put("strange.html")
    answer = world.run(command="c2", skipped=True, uploaded=0, unchanged=0)
    assert answer["drift"] == ["strange.html"] and world.manifest().reconcile
    record = item(world.deployments, clientId="amelia", deploymentId="d1")
    assert (record["commandId"], record["uploaded"]) == ("c", 2)
    assert item(world.commands, clientSession="amelia#s", commandId="c2")["sync"]["deploymentId"] == "d1"


def test_a_publish_that_died_before_its_record_is_recorded_by_the_step_that_found_it_live(world: World) -> None:
    world.write_manifest(files={"index.html": world.put("index.html")})
    world.run(skipped=True, uploaded=0, unchanged=0)
    assert item(world.deployments, clientId="amelia", deploymentId="d1")["commit"] == "abc"


def test_drift_makes_the_next_publish_reconcile(world: World) -> None:
    files = {"index.html": world.put("index.html"), "gone.html": world.put("gone.html")}
    world.write_manifest(files=files)
    world.s3.delete_object(Bucket=SITE, Key="gone.html")
    world.put("strange.html")
    assert world.run()["drift"] == ["gone.html", "strange.html"]
    assert world.manifest().reconcile


def test_an_asset_is_due_when_no_kept_deployment_has_it(world: World) -> None:
    old = world.put("_astro/a.abcdef12.js").model_copy(update={"retired_at": 0})
    for number in range(KEPT):
        world.write_manifest(f"d{number:03d}", files={"_astro/a.abcdef12.js": old})
        assert world.run(f"d{number:03d}")["due"] == 0, "a rollback to the first may need it"
    world.write_manifest("d999", files={"_astro/a.abcdef12.js": old})
    answer = world.run("d999")
    assert (answer["expiring"], answer["due"]) == (1, 1)
    assert world.manifest().files["_astro/a.abcdef12.js"].due


def test_the_reconcile_mark_of_a_running_publish_stays(world: World) -> None:
    # d2 has marked the manifest and not yet changed the bucket, so the two seem to agree.
    world.write_manifest("d2", files={"index.html": world.put("index.html")}, complete=False, reconcile=True)
    before = world.s3.head_object(Bucket=ARTIFACTS, Key=KEY)["LastModified"], world.manifest()
    answer = world.run("d1")
    assert (world.s3.head_object(Bucket=ARTIFACTS, Key=KEY)["LastModified"], world.manifest()) == before
    assert world.manifest().reconcile
    assert (answer["deploymentId"], answer["driftCount"]) == ("d1", 0)
    assert "sync" in item(world.commands, clientSession="amelia#s", commandId="c")


def test_the_uploads_of_a_running_publish_are_no_drift(world: World) -> None:
    world.write_manifest("d2", files={"index.html": world.put("index.html")}, reconcile=True)
    world.put("index.html", "newer")
    assert world.run("d1")["driftCount"] == 0


def test_a_publish_that_begins_during_the_check_keeps_its_mark(world: World, aws: pytest.MonkeyPatch) -> None:
    page = world.put("index.html")
    world.write_manifest("d1", files={"index.html": page, "gone": page})
    listed = manifest_check.list_objects

    def meanwhile(target: PublishTarget, check: Callable[[], None]) -> Any:
        found = listed(target, check)
        aws.setattr(manifest_check, "list_objects", listed)
        world.write_manifest("d2", files={"index.html": page}, complete=False, reconcile=True)
        return found

    aws.setattr(manifest_check, "list_objects", meanwhile)
    world.run("d1")
    assert world.manifest().deployment_id == "d2"
    assert world.manifest().reconcile


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
def test_a_missing_manifest_is_named(world: World, aws: pytest.MonkeyPatch, code: str) -> None:
    if code == "AccessDenied":  # S3's answer without the right to list the bucket
        denied = ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")

        class Denied:
            def get_object(self, **_: str) -> None:
                raise denied

        aws.setattr(entry, "client", lambda _: Denied())
    with pytest.raises(manifest_check.NoManifestError, match=f"{ARTIFACTS}/{KEY} is not there.*next publish"):
        world.run()
    assert "sync" not in item(world.commands, clientSession="amelia#s", commandId="c")


def test_a_manifest_with_a_lease_owner_is_left_alone(world: World) -> None:
    # The lease owner may have taken the lease before it gave the manifest an id of its own.
    world.write_manifest(
        "d1", files={"gone.html": world.put("x").model_copy(update={"size": 9})}, lease_owner="other-session"
    )
    before = world.s3.head_object(Bucket=ARTIFACTS, Key=KEY)["ETag"]
    assert world.run("d1")["driftCount"] == 0
    assert world.s3.head_object(Bucket=ARTIFACTS, Key=KEY)["ETag"] == before
    assert world.record("d1").drift_count == 0


def test_the_size_of_a_deployment_is_its_own_when_the_next_publish_has_begun(world: World) -> None:
    page = world.put("index.html")
    world.write_manifest("d1", files={"index.html": page, "about.html": page})
    world.store("d1")
    world.put("next.html")  # half of the next publish
    world.write_manifest("d2", files={"index.html": page}, lease_owner="other-session", complete=False, reconcile=True)
    world.run("d1")
    assert (world.record("d1").files, world.record("d1").bytes) == (2, 2 * page.size)


def test_a_skipped_build_is_no_deployment_but_its_check_counts(world: World) -> None:
    world.write_manifest("d1", files={"index.html": world.put("index.html")})
    world.run("d1")
    world.put("index.html", "defaced")
    for deployment in (None, "d1"):
        answer = world.run(deployment, "c2", skipped=True, commit="later")
        assert (answer["deploymentId"], answer["drift"]) == ("d1", ["index.html"])
    assert world.manifest().reconcile
    assert world.deployments.scan()["Count"] == 1
    record = world.record("d1")
    assert (record.commit, record.drift, record.drift_count) == ("abc", ["index.html"], 1)


def test_a_publish_that_changed_nothing_leaves_the_record_of_whose_deployment_is_live(world: World) -> None:
    rollback = DeploymentRecord(
        client_id="amelia",
        deployment_id="d1",
        session_id="rollback",
        command_id="rollback-to-d0",
        commit="abc",
        created_at=NOW,
        deploy_success=True,
        files=1,
        bytes=1,
        uploaded=7,
        deleted=0,
        unchanged=0,
        rolled_back_to="d0",
        manifest_key=deployment_key("amelia", "d1"),
    )
    world.deployments.put_item(Item=rollback.to_item())
    world.write_manifest("d1", files={"index.html": world.put("index.html")})
    assert world.run("d1")["driftCount"] == 0
    assert world.record("d1") == rollback
    world.put("strange.html")
    world.run("d1")
    assert world.record("d1") == rollback.model_copy(update={"drift": ["strange.html"], "drift_count": 1})


def test_a_live_deployment_without_a_record_gets_one_from_the_build_that_found_it(world: World) -> None:
    world.write_manifest("d0", files={})
    world.put("strange.html")
    assert world.run("d0", skipped=True)["driftCount"] == 1
    assert (world.record("d0").drift, world.record("d0").commit) == (["strange.html"], "abc")


def test_a_check_after_the_drift_was_healed_clears_the_mark(world: World) -> None:
    world.write_manifest("d1", files={"index.html": world.put("index.html").model_copy(update={"size": 99})})
    world.run("d1")
    assert world.manifest().reconcile
    world.write_manifest("d2", files={"index.html": world.put("index.html")})
    assert world.run("d2")["driftCount"] == 0
    assert not world.manifest().reconcile
    assert (world.record("d1").drift_count, world.record("d2").drift_count) == (1, 0)


IDS = [f"d{number:03d}" for number in range(1, 40)]


def test_only_the_newest_deployments_are_kept(world: World) -> None:
    before = time.time()
    for deployment in IDS[: KEPT + 3]:
        world.publish(deployment)
        world.run(deployment)
    kept = set(IDS[3 : KEPT + 3])
    assert world.stored() == kept
    for deployment in IDS[: KEPT + 3]:
        record = world.record(deployment)
        assert (record.ttl is None) == (record.manifest_key is not None) == (deployment in kept), deployment
        if record.ttl is not None:
            assert int(before) <= record.ttl - RECORD_TTL_DAYS * 86_400 <= time.time()
    assert world.manifest().deployment_id == IDS[KEPT + 2]


def test_failed_deployments_take_no_place_and_end_with_their_neighbours(world: World) -> None:
    failed = IDS[1:16]  # more than fit into a page beside the kept ones
    for deployment in IDS[: KEPT + 15]:
        if deployment in failed:
            world.write_manifest(deployment)
            world.run(deployment, deploy_success=False)
        else:
            world.publish(deployment)
            world.run(deployment)
    # There are KEPT complete deployments, and the first of all is the oldest of them.
    assert world.stored() == set(IDS[: KEPT + 15]) - set(failed)
    assert world.record(failed[0]).manifest_key is None
    world.publish(IDS[KEPT + 15])
    world.run(IDS[KEPT + 15])
    assert IDS[0] not in world.stored()
    world.publish(IDS[KEPT + 16])
    world.run(IDS[KEPT + 16])
    assert [d for d in IDS[: KEPT + 17] if world.record(d).ttl is not None] == IDS[:17]
    assert len(world.stored()) == KEPT


def test_a_late_record_is_judged_by_its_own_age(world: World) -> None:
    late = IDS[1]
    world.publish(late)
    others = [deployment for deployment in IDS[: KEPT + 5] if deployment != late]
    for deployment in others:
        world.publish(deployment)
        world.run(deployment)
    assert late in world.stored()
    world.run(late)
    assert late not in world.stored()
    assert world.record(late).ttl is not None
    again = IDS[KEPT + 3]  # a repeated check of a kept deployment
    world.run(again)
    assert world.record(again).ttl is None
    assert len(world.stored()) == KEPT


def test_a_crash_while_older_runs_are_stopped_is_repaired(world: World, aws: pytest.MonkeyPatch) -> None:
    for deployment in IDS[:KEPT]:
        world.publish(deployment)
        world.run(deployment)

    def crash(*_: Any) -> None:
        raise RuntimeError("died")

    with aws.context() as broken:
        broken.setattr(DeploymentSync, "_retire", crash)
        for deployment in IDS[KEPT : KEPT + 2]:
            world.publish(deployment)
            with pytest.raises(RuntimeError):
                world.run(deployment)
    assert len(world.stored()) == KEPT + 2
    assert item(world.commands, clientSession="amelia#s", commandId="c")["sync"]["deploymentId"] == IDS[KEPT + 1]
    world.run(IDS[KEPT + 1])
    assert world.stored() == set(IDS[2 : KEPT + 2])


def test_an_unreadable_manifest_fails_the_check(world: World) -> None:
    world.s3.put_object(Bucket=ARTIFACTS, Key=KEY, Body=b"{")
    with pytest.raises(ValueError, match="unpacked"):
        world.run()
    assert "sync" not in item(world.commands, clientSession="amelia#s", commandId="c")
