"""`sitewright rollback`, on S3 and DynamoDB (moto)."""

import json
from typing import Any

import boto3
import pytest

from sitewright.contracts.names import SITE_PARAMETER_PREFIX, deployment_key, manifest_key
from sitewright.local.errors import Interrupted
from sitewright.publishing import publisher, rollback
from sitewright.publishing.apply import Applier
from sitewright.publishing.errors import PublishError
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.objects import workers
from sitewright.publishing.objects.upload import Sender
from sitewright.publishing.site_files import SentObject, SiteFile
from tests.support.cli.published_account import (
    ARTIFACTS,
    BUCKET,
    ENTRY,
    REGION,
    Account,
    account_fixture,  # noqa: F401 - a fixture
    refusal,
    run,
)

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
    assert (live.lease_owner, live.reconcile) == (None, False)
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


def test_a_rollback_repairs_manual_changes_too(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    account.s3.put_object(Bucket=BUCKET, Key="same.html", Body=b"defaced")
    account.s3.put_object(Bucket=BUCKET, Key="strange.html", Body=b"x")
    account.write_manifest(account.live().model_copy(update={"reconcile": True}))
    assert run("rollback").exit_code == 0
    assert account.pages() == ONE


def test_a_rollback_to_the_live_deployment_repairs_unnoticed_manual_changes(account: Account) -> None:
    two = account.publish("20260101T000000001Z-two", TWO)
    account.s3.delete_object(Bucket=BUCKET, Key="same.html")
    done = run("rollback", "--to", "20260101T000000001Z-two")
    assert (done.exit_code, account.pages()) == (0, TWO)
    assert account.live().deployment_id != two.deployment_id
    assert "is live already" in refusal("rollback", "--to", "20260101T000000001Z-two").message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "20990101T000000000Z-none"), "There is no deployment"),
        (("--to", "20260101T000000001Z-two"), "is live already"),
        (("--to", "20250101T000000000Z-old"), "beyond the retention"),
    ],
)
def test_a_refused_rollback_changes_nothing(account: Account, arguments: tuple[str, ...], says: str) -> None:
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


def test_a_rollback_is_refused_during_a_publish(account: Account) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    two = account.publish("20260101T000000001Z-two", TWO)
    leased = two.model_copy(update={"lease_owner": "session-2", "reconcile": True})
    account.write_manifest(leased)
    error = refusal("rollback")
    assert "session-2" in error.message
    assert account.pages() == TWO
    assert account.live() == leased
    assert len(account.records()) == 2


def test_ctrl_c_reports_the_state_of_the_site_and_releases_the_lease(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    real = Sender.send

    def interrupted(sender: Sender, file: SiteFile) -> SentObject:
        if file.key == "index.html":
            raise KeyboardInterrupt
        return real(sender, file)

    monkeypatch.setattr(Sender, "send", interrupted)
    error = refusal("rollback")
    assert isinstance(error, Interrupted) and "half restored" in error.message
    assert "--to 20260101T000000000Z-one" in error.remedy and "--to 20260101T000000001Z-two" in error.remedy
    live = account.live()
    assert (live.lease_owner, live.complete, live.reconcile) == (None, False, True)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, PublishError(BUCKET, "", "SlowDown", "s3://x: SlowDown: Reduce.")])
def test_a_failed_comparison_leaves_a_restored_site(
    account: Account, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)

    def ended(*_: object) -> None:
        raise stop

    with monkeypatch.context() as patch:
        patch.setattr(publisher, "list_objects", ended)
        error = refusal("rollback")
    assert "is restored, but was not compared with the bucket, and is not recorded" in error.message
    assert account.pages() == ONE
    live = account.live()
    assert (live.lease_owner, live.complete, live.reconcile) == (None, True, True)
    assert "has no record" in run("deployments").stderr
    assert "--to 20260101T000000000Z-one`, which does both" in error.remedy
    assert run("rollback", "--to", "20260101T000000000Z-one").exit_code == 0
    assert account.pages() == ONE
    assert [record.rolled_back_to for record in account.records().values()].count("20260101T000000000Z-one") == 1
    assert not account.live().reconcile and account.live().deployment_id in account.records()


def test_ctrl_c_before_anything_is_changed_says_so(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.publish("20260101T000000000Z-one", ONE)
    two = account.publish("20260101T000000001Z-two", TWO)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rollback, "_gone", interrupted)
    error = refusal("rollback")
    assert isinstance(error, Interrupted) and "nothing was changed" in error.message
    assert account.live() == two and account.pages() == TWO


def test_missing_versions_are_named_and_nothing_changes(account: Account) -> None:
    one = account.publish("20260101T000000000Z-one", ONE)
    account.publish("20260101T000000001Z-two", TWO)
    account.s3.delete_object(Bucket=BUCKET, Key="index.html", VersionId=str(one.files["index.html"].version_id))
    error = refusal("rollback")
    assert "index.html" in error.message
    assert "20260101T000000000Z-one" not in {r.rolled_back_to for r in account.records().values()}
    assert account.pages()["index.html"] == "two!"


@pytest.mark.parametrize(
    ("complete", "says"),
    [
        (True, "The site is again as 20260101T000000001Z-two left it. `sitewright deployments"),
        (
            False,
            "The site is half restored: what was live before was no whole deployment either. Go back with `--to` and",
        ),
    ],
)
def test_a_version_missing_halfway_is_reported_with_the_state_of_the_site(
    account: Account, monkeypatch: pytest.MonkeyPatch, complete: bool, says: str
) -> None:
    one = account.publish("20260101T000000000Z-one", ONE | {"middle.html": "1"})
    two = account.publish("20260101T000000001Z-two", TWO | {"middle.html": "two"})
    account.write_manifest(two.model_copy(update={"complete": complete}))
    account.s3.delete_object(Bucket=BUCKET, Key="middle.html", VersionId=str(one.files["middle.html"].version_id))
    monkeypatch.setattr(rollback, "SAMPLED_VERSIONS", 1)
    error = refusal("rollback", "--to", "20260101T000000000Z-one")
    assert "middle.html is not stored any more" in error.message
    assert error.remedy.startswith(says)
    assert (account.pages() == TWO | {"middle.html": "two"}) == complete
    assert account.live().lease_owner is None
    assert len(account.records()) == 2


def test_the_keys_that_could_not_be_reverted_are_named(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    one = account.publish("20260101T000000000Z-one", ONE | {"a.html": "1", "middle.html": "1"})
    two = account.publish("20260101T000000001Z-two", TWO | {"a.html": "two", "middle.html": "two"})
    account.s3.delete_object(Bucket=BUCKET, Key="middle.html", VersionId=str(one.files["middle.html"].version_id))
    account.s3.delete_object(Bucket=BUCKET, Key="a.html", VersionId=str(two.files["a.html"].version_id))
    monkeypatch.setattr(rollback, "SAMPLED_VERSIONS", 1)
    monkeypatch.setattr(workers, "THREADS", 1)
    error = refusal("rollback")
    assert "middle.html is not stored any more" in error.message
    assert "is not stored as a whole any more either (a.html). Send a message: its publish completes" in error.remedy
    live = account.live()
    assert (live.complete, live.reconcile, live.lease_owner) == (False, True, None)


def test_a_revert_that_fails_too_is_reported(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    one = account.publish("20260101T000000000Z-one", ONE | {"middle.html": "1"})
    account.publish("20260101T000000001Z-two", TWO | {"middle.html": "two"})
    account.s3.delete_object(Bucket=BUCKET, Key="middle.html", VersionId=str(one.files["middle.html"].version_id))
    monkeypatch.setattr(rollback, "SAMPLED_VERSIONS", 1)
    real = Applier.send

    def refused(applier: Applier, phases: Any, *, tolerate_missing: bool = False) -> None:
        if tolerate_missing:
            raise PublishError(BUCKET, "x", "AccessDenied", "s3://x: AccessDenied: No.")
        real(applier, phases)

    monkeypatch.setattr(Applier, "send", refused)
    error = refusal("rollback")
    assert (
        "middle.html is not stored any more (NoSuchVersion); what was live before could not be put back"
        in error.message
    )
    assert error.remedy == "Go back with `--to 20260101T000000001Z-two`, or send a message: either completes the site."


def test_a_missing_manifest_is_reported(account: Account) -> None:
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
    assert "What 20260101T000000000Z-one left is live already" in error.message
    assert account.live() == two
    assert set(account.records()) == {"20260101T000000000Z-one", "20260101T000000001Z-two"}
    assert account.records()["20260101T000000001Z-two"].rolled_back_to is None


def test_a_lost_manifest_is_replaced(account: Account) -> None:
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
