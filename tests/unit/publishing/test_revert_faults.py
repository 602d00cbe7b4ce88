"""Further faults in a rollback that S3 refuses, and the state of the site afterwards."""

import threading

import pytest

from sitewright.publishing import lease
from sitewright.publishing.errors import LeaseUnavailable, NotRestorable, PublishError, SiteState
from sitewright.publishing.objects import s3_retry, workers
from sitewright.publishing.site_files import LocalFile, SentObject, StoredFile
from tests.support.publishing.model_s3 import refused
from tests.support.publishing.publish_world import (
    no_pauses,  # noqa: F401 - an autouse fixture
)
from tests.support.publishing.rollback_world import (
    NEW,
    OLD,
    check_is_as_before,
    forget,
    one_look,  # noqa: F401 - an autouse fixture
    two_deployments,
)


def test_a_fault_during_a_revert_is_reported_with_the_reason_and_the_next_publish_completes_the_site() -> None:
    world, first = two_deployments()
    forget(world, "d.html", OLD["d.html"])
    copied = set[str]()

    def fail(operation: str, key: str) -> None:
        if operation == "copy":
            if key == "b.html" and key in copied:
                raise refused("AccessDenied", 403)
            copied.add(key)

    with pytest.raises(
        PublishError, match=r"d\.html is not stored.*could not be put back: .*b\.html: AccessDenied"
    ) as caught:
        world.roll_back(first, before=fail)
    assert not isinstance(caught.value, NotRestorable)
    world.check_pages()
    manifest = world.manifest()
    assert manifest.reconcile and not manifest.complete and manifest.lease_owner is None
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


@pytest.mark.parametrize("operation", ["copy", "list", "delete"])
def test_a_refusal_halfway_is_reverted(operation: str) -> None:
    world, first = two_deployments()
    before, asked = world.manifest(), 0

    def refuse(what: str, _: str) -> None:
        nonlocal asked
        asked += what == operation
        if what == operation and asked == (4 if what == "copy" else 1):
            raise refused("AccessDenied", 403)

    with pytest.raises(NotRestorable, match="AccessDenied") as caught:
        world.roll_back(first, before=refuse)
    assert caught.value.site_state is SiteState.REVERTED
    check_is_as_before(world, NEW, before)
    world.publish(world.site("s2"), OLD, "3" * 40)
    world.check_is(OLD)


def test_without_the_right_to_copy_nothing_changes() -> None:
    world, first = two_deployments()
    before = world.manifest()

    class Denied:
        def put(self, bucket: str, file: LocalFile) -> SentObject:
            raise AssertionError(file)

        def copy(self, bucket: str, file: StoredFile) -> SentObject:
            raise refused("AccessDenied", 403)

        def head(self, bucket: str, file: StoredFile) -> None:
            pass

    with pytest.raises(NotRestorable, match="AccessDenied") as caught:
        world.roll_back(first, Denied())
    assert caught.value.site_state is SiteState.UNCHANGED
    assert world.manifest() == before and world.live().items() >= NEW.items()


def test_a_permanent_fault_is_left_to_the_next_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    world, first = two_deployments()
    monkeypatch.setattr(s3_retry, "RETRY_SECONDS", 0.0)

    def out(operation: str, key: str) -> None:
        if operation == "copy" and key == "c.html":
            raise refused("SlowDown", 503)

    with pytest.raises(PublishError, match="SlowDown") as caught:
        world.roll_back(first, before=out)
    assert not isinstance(caught.value, NotRestorable)
    assert world.live()["a.html"] == OLD["a.html"] and world.manifest().reconcile
    world.check_pages()
    world.roll_back(first)
    world.check_is(OLD)


@pytest.mark.parametrize("while_putting_back", [False, True])
def test_a_publisher_that_loses_the_lease_requests_a_reconcile(
    monkeypatch: pytest.MonkeyPatch, while_putting_back: bool
) -> None:
    world, first = two_deployments()
    forget(world, "d.html", OLD["d.html"])
    other = NEW | {"b.html": "<p>the other's", "c.html": "<p>the other's"}
    real, copies = lease.time.monotonic, 0

    def stand_still(operation: str, key: str) -> None:
        nonlocal copies
        if operation == "copy" and key == "b.html":
            copies += 1
            if copies == 1 + while_putting_back:
                # This process stands still for 100 s, and another session publishes. Then the copy under way is carried out.
                world.store.clock += 100.0
                world.publish(world.site("s2"), other, "7" * 40)
                world.store.add("site", "b.html", b"<p>late")
                monkeypatch.setattr(lease.time, "monotonic", lambda: real() + 100)

    with pytest.raises(LeaseUnavailable):
        world.roll_back(first, before=stand_still)
    assert world.live()["b.html"] == "<p>late"
    assert world.manifest().reconcile, "the other is told that something of ours is on top of its site"
    world.publish(world.site("s3"), other, "8" * 40)
    world.check_is(other)


def test_unchanged_means_the_manifest_too() -> None:
    world, first = two_deployments()
    before = world.manifest()

    def forgotten_now(operation: str, key: str) -> None:
        if operation == "copy" and key in OLD:  # deleted between the check and the copy
            forget(world, key, OLD[key])

    with pytest.raises(NotRestorable) as caught:
        world.roll_back(first, before=forgotten_now)
    assert caught.value.site_state is SiteState.UNCHANGED
    assert world.live().items() >= NEW.items() and world.manifest() == before


def test_a_copy_without_an_answer_beside_a_missing_version_marks_the_manifest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "THREADS", 2)
    monkeypatch.setattr(s3_retry, "RETRY_SECONDS", 0.0)
    loads = OLD | {f"{name}.html": f"<link href='old.txt'>{name}" for name in "abcde"}
    world, first = two_deployments(loads)
    forget(world, "a.html", loads["a.html"])
    landed = threading.Event()

    def before(operation: str, key: str) -> None:
        if (operation, key) == ("copy", "a.html"):
            assert landed.wait(5)

    def after(operation: str, key: str) -> None:
        if (operation, key) == ("copy", "b.html") and not landed.is_set():
            landed.set()
            raise refused("InternalError", 500)  # carried out, but reported as a failure until the retries end

    with pytest.raises(NotRestorable, match=r"a\.html") as caught:
        world.roll_back(first, before=before, after=after)
    assert caught.value.site_state is SiteState.REVERTED
    assert world.manifest().reconcile, "the copy may still land"
    assert world.live()["b.html"] == NEW["b.html"]
    world.check_pages()
    world.store.add("site", "b.html", loads["b.html"].encode())
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)
