"""What a publish finds live: the head of the manifest, and the question whether the build contains it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import manifest_key
from sitewright.publishing import manifest_store, rollback
from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import LiveMoved
from sitewright.publishing.judgement.findings import Finding, PublishRefused
from sitewright.publishing.manifest import HEAD_BYTES, Manifest, ManifestEntry
from sitewright.publishing.manifest_store import ManifestChanged, read_deployment
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import publish
from tests.support.publishing.site_world import BUCKET, Site, make_site, write

A, B, C = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, {"readme.md": "x"}, under_git=False)
        made.clients.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        write(made.folder / "dist", {"index.html": "<html>1</html>"})
        yield made


def put(site: Site, commit: str, *contained: str, partial: bool = False) -> PublishResult:
    write(site.folder / "dist", {"index.html": f"<html>{commit}</html>"})
    return publish(site.target, scan(site.folder / "dist"), commit, partial=partial, contains=contained.__contains__)


def test_a_build_that_lacks_the_live_commit_changes_nothing(site: Site) -> None:
    put(site, A)
    before = site.manifest()
    for partial in (False, True):
        with pytest.raises(LiveMoved) as moved:
            put(site, B, partial=partial)
        assert moved.value.commit == A
    assert site.manifest() == before and A in site.read("index.html")
    assert put(site, B, A).error is None and put(site, B).error is None, "the same commit again asks nothing"
    assert (site.manifest().commit, site.manifest().session_id) == (B, "s1")


def test_a_publish_between_the_question_and_the_lease_is_asked_about_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, A)
    real, asked = manifest_store.write, list[str]()

    def contains(commit: str) -> bool:
        asked.append(commit)
        return commit == A

    def meanwhile(*arguments: object, **more: object) -> str:
        monkeypatch.setattr(manifest_store, "write", real)
        other = site.manifest().model_copy(update={"commit": C, "deployment_id": "other"})
        site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=other.to_bytes())
        raise ManifestChanged

    monkeypatch.setattr(manifest_store, "write", meanwhile)
    write(site.folder / "dist", {"index.html": "<html>2</html>"})
    with pytest.raises(LiveMoved):
        publish(site.target, scan(site.folder / "dist"), B, contains=contains)
    assert asked == [A, C]


def test_a_rollback_asks_nothing_and_keeps_the_session_of_its_commit(site: Site) -> None:
    first = put(site, A)
    put(site, B, A)
    rollback.roll_back(site.target, read_deployment(site.target, first.deployment_id))
    assert (site.manifest().commit, site.manifest().session_id) == (A, "s1")


def test_a_refused_publish_without_a_manifest_leaves_no_commit_as_the_live_one(site: Site) -> None:
    """Else the next session would have to take the refused edit in."""

    def refuse(*_: object) -> None:
        raise PublishRefused([Finding(ErrorCode.PAGES_MISSING, "Three pages would vanish.")])

    site.clients.s3.put_object(Bucket=BUCKET, Key="old.html", Body=b"<html>old</html>")
    with pytest.raises(PublishRefused):
        publish(site.target, scan(site.folder / "dist"), A, check_plan=refuse)
    left = site.manifest()
    assert (left.commit, left.session_id, left.lease_owner, left.settled) == (None, None, None, False)
    assert put(site, B).error is None and site.manifest().commit == B


def test_the_head_is_read_without_the_files(site: Site) -> None:
    assert manifest_store.read_head(site.target) is None
    put(site, A)
    manifest = site.manifest()
    entry = ManifestEntry(md5="0" * 32, size=1, content_type="text/html", cache_control="no-cache")
    many = manifest.model_copy(update={"files": {f"page-{n:05}.html": entry for n in range(20_000)}})
    stored = many.to_bytes()
    assert len(stored) > 4 * HEAD_BYTES
    site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=stored)
    assert manifest_store.read_head(site.target) == many.model_copy(update={"files": {}})
    small = manifest.model_copy(update={"files": {}})
    site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=small.to_bytes())
    assert manifest_store.read_head(site.target) == small


@pytest.mark.parametrize("stored", [b"", b"{", Manifest.to_bytes])
def test_an_unreadable_or_foreign_manifest_is_none(site: Site, stored: object) -> None:
    foreign = Manifest(client_id="bruno", bucket=BUCKET, deployment_id="d", created_at=1)
    body = stored if isinstance(stored, bytes) else foreign.to_bytes()
    site.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=body)
    assert manifest_store.read_head(site.target) is None
