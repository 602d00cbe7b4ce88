"""Rollbacks to older deployments, on S3 (moto) with versions."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from sitewright.contracts.names import deployment_key, manifest_key
from sitewright.publishing import rollback
from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import NotRestorable, PublishError
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.manifest_store import read_deployment
from sitewright.publishing.objects import upload
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import publish
from sitewright.publishing.rollback import roll_back
from sitewright.publishing.site_files import IMMUTABLE
from sitewright.publishing.target import NoGuard
from tests.support.publishing.site_world import BUCKET, Site, make_site, write

ONE = {"index.html": "<html>1</html>", "a b+c%.html": "<html>ä</html>", "_astro/x.1.css": "1{}", "gone.txt": "x"}
TWO = {"index.html": "<html>2</html>", "_astro/x.2.css": "2{}", "new.txt": "n"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, {"readme.md": "x"}, under_git=False)
        made.clients.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield made


def put(site: Site, tree: dict[str, str], commit: str) -> PublishResult:
    for file in scan(site.folder / "dist"):
        Path(file.root, file.key).unlink()
    write(site.folder / "dist", tree)
    outcome = publish(site.target, scan(site.folder / "dist"), commit)
    assert outcome.error is None
    return outcome


def back(site: Site, target: Manifest, progress: Callable[[str], None] = lambda _: None) -> PublishResult:
    return roll_back(replace(site.target, guard=NoGuard(), small_objects=None, progress=progress), target)


def deployment(site: Site, outcome: PublishResult) -> Manifest:
    return read_deployment(site.target, outcome.deployment_id)


def count_requests(site: Site) -> list[str]:
    seen: list[str] = []
    site.clients.s3.meta.events.register("before-call.s3", lambda model, **_: seen.append(model.name))
    return seen


def test_an_older_deployment_is_live_again_and_is_a_deployment(site: Site) -> None:
    (site.folder / "dist").mkdir()
    first, second = put(site, ONE, "1" * 40), put(site, TWO, "2" * 40)
    outcome = back(site, deployment(site, first))
    assert site.live() == set(ONE) | {"_astro/x.2.css"}
    assert {key: site.read(key) for key in ONE} == ONE
    head = site.clients.s3.head_object(Bucket=BUCKET, Key="_astro/x.1.css")
    assert head["ContentType"] == "text/css; charset=utf-8" and head["CacheControl"] == IMMUTABLE
    manifest = site.manifest()
    assert manifest.commit == "1" * 40 and manifest.complete and manifest.lease_owner is None
    assert outcome.deployment_id > second.deployment_id > first.deployment_id
    # The first stylesheet is retired but not due. It is copied all the same: no live page shows whether it is stored.
    assert (outcome.uploaded, outcome.deleted) == (4, 1)
    # The manifest is right: publishing the same build again sends nothing, and a rollback to the newer one works too.
    assert put(site, ONE, "3" * 40).uploaded == 0
    back(site, deployment(site, second))
    assert {key: site.read(key) for key in TWO} == TWO


def test_manual_changes_since_the_last_check_are_repaired(site: Site) -> None:
    (site.folder / "dist").mkdir()
    first = put(site, ONE, "1" * 40)
    put(site, TWO, "2" * 40)
    s3 = site.clients.s3
    s3.delete_object(Bucket=BUCKET, Key="_astro/x.1.css")
    s3.delete_object(Bucket=BUCKET, Key="_astro/x.2.css")
    s3.put_object(Bucket=BUCKET, Key="by-hand.html", Body=b"by hand")
    back(site, deployment(site, first))
    assert {key: site.read(key) for key in ONE} == ONE
    assert site.live() == set(ONE) | {"_astro/x.2.css"}
    assert not site.manifest().reconcile


def test_a_long_rollback_reports_its_progress(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.folder / "dist").mkdir()
    first, second = put(site, ONE, "1" * 40), put(site, TWO, "2" * 40)
    said: list[str] = []
    back(site, deployment(site, first), said.append)
    compared = "Copied; comparing the bucket with the manifest"
    assert said == [compared]
    said.clear()
    monkeypatch.setattr(rollback, "ANNOUNCED_COPIES", 2)
    back(site, deployment(site, second), said.append)
    assert said == ["Copying the older versions of 3 files", compared]


def test_a_target_that_cannot_be_copied_is_refused_before_any_change(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "dist").mkdir()
    target = deployment(site, put(site, ONE, "1" * 40))
    put(site, TWO, "2" * 40)
    before = site.manifest()

    def changed(**values: Any) -> Manifest:
        entry = target.files["gone.txt"].model_copy(update=values)
        return target.model_copy(update={"files": target.files | {"gone.txt": entry}})

    for broken, text in (
        (changed(version_id=None), "not known: gone.txt"),
        (changed(version_id="00000000-0000-0000-0000-000000000000"), "not stored any more: gone.txt"),
        (changed(size=upload.COPY_BYTES + 1), "5 GB"),
        (target.model_copy(update={"complete": False}), "not a whole site"),
        (target.model_copy(update={"client_id": "bruno"}), "bruno"),
    ):
        with pytest.raises(NotRestorable, match=text):
            back(site, broken)
    # The same holds if the bucket has to be listed first, under the lease.
    drifted = before.model_copy(update={"reconcile": True})
    site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=drifted.to_bytes())
    with pytest.raises(NotRestorable):
        back(site, changed(version_id=None))
    assert site.manifest() == drifted
    assert site.live() == set(TWO) | {"_astro/x.1.css"}


@pytest.mark.parametrize(
    ("code", "raised", "says"),
    [("ExpiredToken", PublishError, "ExpiredToken"), ("InvalidArgument", NotRestorable, "not stored any more")],
)
def test_a_refused_head_request_is_repeated_as_a_get_for_the_reason(
    site: Site, monkeypatch: pytest.MonkeyPatch, code: str, raised: type[PublishError], says: str
) -> None:
    (site.folder / "dist").mkdir()
    target = deployment(site, put(site, ONE, "1" * 40))
    put(site, TWO, "2" * 40)
    real = site.clients.s3.get_object

    def refused(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "400", "Message": "Bad Request"}}, "HeadObject")

    def told(**wanted: Any) -> Any:
        if "Range" not in wanted:
            return real(**wanted)
        raise ClientError({"Error": {"Code": code, "Message": "In words."}}, "GetObject")

    monkeypatch.setattr(site.clients.s3, "head_object", refused)
    monkeypatch.setattr(site.clients.s3, "get_object", told)
    with pytest.raises(PublishError, match=says) as caught:
        back(site, target)
    assert type(caught.value) is raised
    assert site.live() == set(TWO) | {"_astro/x.1.css"}


def test_a_deployment_without_a_manifest_is_refused(site: Site) -> None:
    with pytest.raises(NotRestorable, match="has no manifest"):
        read_deployment(site.target, "20200101T000000000Z-x")


def test_requests_of_a_small_publish(site: Site) -> None:
    (site.folder / "dist").mkdir()
    first = put(site, ONE, "1" * 40)
    stored = site.clients.s3.get_object(Bucket="artifacts", Key=deployment_key("amelia", first.deployment_id))
    assert stored["Body"].read() == site.manifest().to_bytes()
    assert all(entry.version_id for entry in site.manifest().files.values())
    seen = count_requests(site)
    put(site, ONE | {"index.html": "<html>3</html>"}, "2" * 40)
    assert seen == ["GetObject", "PutObject", "PutObject", "PutObject", "PutObject"]
    seen.clear()
    other = publish(site.target, scan(site.folder / "dist"), "3" * 40)
    assert seen == ["GetObject", "PutObject", "PutObject"]
    assert site.manifest().commit == "3" * 40 and site.manifest().deployment_id == other.deployment_id
    seen.clear()
    again = publish(site.target, scan(site.folder / "dist"), "3" * 40)
    assert seen == ["GetObject"] and again.deployment_id == other.deployment_id


def test_a_large_file_goes_in_parts_and_can_be_rolled_back_to(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.folder / "dist").mkdir()
    large = "x" * (upload.MULTIPART_BYTES + 5)
    first = put(site, {"index.html": "1", "film.mp4": large}, "1" * 40)
    entry = site.manifest().files["film.mp4"]
    assert entry.etag is not None and "-" in entry.etag and entry.etag != entry.md5 and entry.version_id
    assert site.clients.s3.head_object(Bucket=BUCKET, Key="film.mp4")["ContentType"] == "video/mp4"
    assert publish(site.target, scan(site.folder / "dist"), "2" * 40).uploaded == 0
    put(site, {"index.html": "2"}, "3" * 40)
    back(site, deployment(site, first))
    assert site.clients.s3.head_object(Bucket=BUCKET, Key="film.mp4")["ContentLength"] == len(large)


@pytest.mark.parametrize("with_versions", [False, True])
def test_a_retired_asset_that_was_deleted_manually(site: Site, with_versions: bool) -> None:
    (site.folder / "dist").mkdir()
    put(site, ONE, "1" * 40)
    put(site, TWO, "2" * 40)
    s3, key = site.clients.s3, "_astro/x.1.css"
    version = site.manifest().files[key].version_id
    s3.delete_object(Bucket=BUCKET, Key=key)
    if with_versions:
        s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    drifted = site.manifest().model_copy(update={"reconcile": True})
    s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=drifted.to_bytes())
    outcome = publish(site.target, scan(site.folder / "dist"), "3" * 40)
    assert outcome.error is None and outcome.lost == ((key,) if with_versions else ())
    assert (key in site.live()) == (key in site.manifest().files) == (not with_versions)
    if not with_versions:
        assert site.read(key) == ONE[key] and site.manifest().files[key].version_id not in {None, version}
        head = s3.head_object(Bucket=BUCKET, Key=key)
        assert head["ContentType"] == "text/css; charset=utf-8" and head["CacheControl"] == IMMUTABLE
