"""A publish against S3 (moto): live objects and manifest, also after a failure halfway."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.errors import StepStopped, StopReason

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import manifest_key
from sitewright.publishing import publisher
from sitewright.publishing.dist_files import scan
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import publish
from sitewright.publishing.site_files import IMMUTABLE
from tests.support.publishing.site_world import BUCKET, Site, make_site, write

PAGES = {"index.html": "<html>1</html>", "a.html": "<html>a</html>", "_astro/x.1.css": "b{}", "robots.txt": "ok"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, {"readme.md": "x"}, under_git=False)
        write(made.folder / "dist", PAGES)
        yield made


def put(site: Site) -> PublishResult:
    return publish(site.target, scan(site.folder / "dist"), "c" * 40)


def refuse(site: Site, operation: str, when: str) -> None:
    """Makes S3 fail for a key, as the service would."""

    def fail(params: dict[str, Any], **_: Any) -> None:
        if when in str(params.get("Key", "")) or when in str(params.get("Delete", "")):
            params["Bucket"] = "no-such-bucket"

    site.clients.s3.meta.events.register(f"before-parameter-build.s3.{operation}", fail)


def test_a_site_goes_live_with_headers_and_manifest(site: Site) -> None:
    outcome = put(site)
    assert outcome.error is None and (outcome.uploaded, outcome.deleted, outcome.unchanged) == (4, 0, 0)
    assert outcome.stale == ("a.html", "index.html", "robots.txt")
    assert site.live() == set(PAGES)
    head = site.clients.s3.head_object(Bucket=BUCKET, Key="_astro/x.1.css")
    assert head["ContentType"] == "text/css; charset=utf-8" and head["CacheControl"] == IMMUTABLE
    manifest = site.manifest()
    assert manifest.complete and not manifest.reconcile and manifest.deployment_id == outcome.deployment_id
    assert set(manifest.files) == set(PAGES) and manifest.files["a.html"].etag == manifest.files["a.html"].md5


def test_the_next_build_sends_changes_and_deletes_last(site: Site) -> None:
    put(site)
    dist = site.folder / "dist"
    (dist / "a.html").unlink()
    (dist / "_astro" / "x.1.css").unlink()
    write(dist, {"index.html": "<html>2</html>"})
    site.fence.verified.clear()
    outcome = put(site)
    assert (outcome.uploaded, outcome.deleted, outcome.unchanged) == (1, 1, 1)
    assert outcome.stale == ("a.html", "index.html")
    assert site.live() == {"index.html", "robots.txt", "_astro/x.1.css"}
    assert site.manifest().files["_astro/x.1.css"].retired_at is not None
    assert len(site.fence.verified) == 2


@pytest.mark.parametrize("damage", ["none", "garbage", "reconcile"])
def test_a_damaged_manifest_is_repaired_from_the_bucket(site: Site, damage: str) -> None:
    put(site)
    site.clients.s3.put_object(Bucket=BUCKET, Key="stray.txt", Body=b"?")
    site.clients.s3.put_object(Bucket=BUCKET, Key="a.html", Body=b"defaced")
    key = manifest_key("amelia")
    if damage == "none":
        site.clients.s3.delete_object(Bucket="artifacts", Key=key)
    else:
        marked = site.manifest().model_copy(update={"reconcile": True}).to_bytes()
        site.clients.s3.put_object(Bucket="artifacts", Key=key, Body=b"{" if damage == "garbage" else marked)
    outcome = put(site)
    # Without a manifest the objects' headers are unknown: all files are sent. With one, only files that differ from the bucket.
    assert (outcome.uploaded, outcome.deleted) == (1 if damage == "reconcile" else 4, 1)
    assert site.live() == set(PAGES) and site.read("a.html") == PAGES["a.html"]
    assert not site.manifest().reconcile


def test_a_failed_upload_is_named_stops_later_phases_and_records_the_live_objects(site: Site) -> None:
    refuse(site, "PutObject", "a.html")
    outcome = put(site)
    assert outcome.error is not None and outcome.error.code is ErrorCode.PUBLISH_FAILED
    assert f"s3://{BUCKET}/a.html: NoSuchBucket" in outcome.error.message
    assert "index.html" not in site.live()
    assert outcome.stale == ("robots.txt",)
    manifest = site.manifest()
    assert set(manifest.files) == site.live() == {"_astro/x.1.css", "robots.txt"}
    assert not manifest.complete and manifest.reconcile


def test_a_missing_bucket_is_an_answer(site: Site) -> None:
    site.clients.s3.delete_bucket(Bucket=BUCKET)
    error = put(site).error
    assert error is not None and "NoSuchBucket" in error.message and BUCKET in error.message


def test_a_stop_between_files_is_recorded_and_the_next_publish_sends_the_others(site: Site) -> None:
    put(site)
    write(site.folder / "dist", {"index.html": "<html>2</html>", "new.txt": "n"})

    sent: list[str] = []
    site.clients.s3.meta.events.register(
        "before-parameter-build.s3.PutObject", lambda params, **_: sent.append(params["Key"])
    )

    def stop_at_the_page() -> None:
        if "index.html" in sent:
            site.stop.add(StopReason.INTERRUPT)

    site.fence.at = stop_at_the_page
    with pytest.raises(StepStopped):
        put(site)
    manifest = site.manifest()
    assert "new.txt" in manifest.files and not manifest.complete and not manifest.reconcile
    assert site.read("index.html") == PAGES["index.html"]


def test_a_lost_claim_records_nothing_more(site: Site) -> None:
    put(site)
    write(site.folder / "dist", {"index.html": "<html>2</html>"})
    site.fence.at = lambda: site.stop.add(StopReason.CLAIM_LOST)
    with pytest.raises(StepStopped):
        put(site)
    assert site.manifest().reconcile and True not in site.fence.verified


KEYS = ["with space.html", "a+b&c=d.txt", "50%25 off.txt", "naïve/日本語/index.html", "#hash?query.txt", "😀.svg"]


def test_keys_of_any_spelling_arrive_and_are_not_sent_twice(site: Site) -> None:
    write(site.folder / "dist", dict.fromkeys(KEYS, "<html>x</html>"))
    assert put(site).error is None
    assert site.live() == set(PAGES) | set(KEYS)
    again = put(site)
    assert (again.uploaded, again.unchanged) == (0, len(PAGES) + len(KEYS))
    for key in KEYS:
        (site.folder / "dist" / key).unlink()
    assert put(site).deleted == len(KEYS) and site.live() == set(PAGES)


def test_uploads_of_a_phase_run_side_by_side_and_phases_do_not(site: Site) -> None:
    files = {f"p/{n}.html": f"<html>{n}</html>" for n in range(40)} | {f"_astro/{n}.css": f"a{n}" for n in range(40)}
    write(site.folder / "dist", files)
    order: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        order.append(params["Key"])

    site.clients.s3.meta.events.register("before-parameter-build.s3.PutObject", note)
    assert put(site).error is None
    sent = [key for key in order if not key.startswith("amelia/")]
    first_page = next(i for i, key in enumerate(sent) if key.endswith(".html"))
    assert all(not key.startswith("_astro/") for key in sent[first_page:])
    assert sent[-1] == "index.html" and order[-1] == manifest_key("amelia")


def test_a_site_that_moved_to_another_bucket_is_sent_whole(site: Site) -> None:
    put(site)
    other = site.manifest().model_copy(update={"bucket": "edit.amelia.old.com"})
    site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=other.to_bytes())
    for key in site.live():
        site.clients.s3.delete_object(Bucket=BUCKET, Key=key)
    write(site.folder / "dist", {**PAGES, "a.html": "<html>new</html>"})
    outcome = put(site)
    assert outcome.error is None
    assert site.live() == set(PAGES)
    assert site.manifest().bucket == BUCKET


def test_pages_are_deleted_before_what_they_load(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        site.folder / "dist", {"old/page.html": "<html></html>", "css/site.css": "a{}", "zebra.html": "<html></html>"}
    )
    put(site)
    for name in ("old/page.html", "css/site.css", "zebra.html"):
        (site.folder / "dist" / name).unlink()
    batches: list[list[str]] = []
    real = site.clients.s3.delete_objects

    def spy(**values: Any) -> Any:
        batches.append([item["Key"] for item in values["Delete"]["Objects"]])
        return real(**values)

    monkeypatch.setattr(site.clients.s3, "delete_objects", spy)
    put(site)
    assert batches == [["old/page.html", "zebra.html"], ["css/site.css"]]


def test_a_stop_during_the_listing_leaves_a_manifest_that_asks_for_a_reconcile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site)
    site.clients.s3.delete_object(Bucket="artifacts", Key=manifest_key("amelia"))

    def stopped(*_: Any) -> Any:
        raise StepStopped(StopReason.INTERRUPT)

    monkeypatch.setattr(publisher, "list_objects", stopped)
    with pytest.raises(StepStopped):
        put(site)
    monkeypatch.undo()
    assert site.manifest().reconcile
    (site.folder / "dist" / "a.html").unlink()
    put(site)
    assert "a.html" not in site.live()
