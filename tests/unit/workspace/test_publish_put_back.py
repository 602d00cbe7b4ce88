"""Rollbacks that find out halfway that a version is not stored any more: the site is put back as it was."""

import contextlib
import threading

import pytest
from workspace.publish import books, crew, faults, rollback
from workspace.publish.content import LocalFile, Sent, StoredFile
from workspace.publish.faults import NotRestorable, PublishError, SiteIs, SiteTaken

from contracts.manifest import Manifest
from contracts.names import manifest_key
from tests.unit.workspace.model_s3 import refused
from tests.unit.workspace.publish_world import (
    Tree,
    World,
    quick,  # noqa: F401 - an autouse fixture
)

OLD = {f"{name}.html": f"<link href='_astro/s.1.css'>{name}" for name in "abcde"} | {
    "_astro/s.1.css": "old",
    "old.txt": "o",
}
NEW = {f"{name}.html": f"<link href='_astro/s.2.css'>{name}" for name in "abcde"} | {
    "_astro/s.2.css": "new",
    "new.txt": "n",
}


@pytest.fixture(autouse=True)
def one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is to be copied, the first and the last are asked for: a site of some files is then like one of thousands."""
    monkeypatch.setattr(rollback, "LOOKS", 1)


def two_deployments(old: Tree = OLD, new: Tree = NEW) -> tuple[World, str]:
    world = World()
    first = world.publish(world.site("s1"), old, "1" * 40)
    world.publish(world.site("s1"), new, "2" * 40)
    return world, first.deployment_id


def forget(world: World, key: str, body: str) -> None:
    """Somebody deletes the version with this content, and no other."""
    versions = world.store.objects["site", key]
    versions[:] = [version for version in versions if version.body != body.encode()]


def put(world: World, manifest: Manifest) -> None:
    world.store.add("artifacts", manifest_key("amelia"), manifest.to_bytes())


def check_is_as_before(world: World, tree: Tree, before: Manifest, *, complete: bool = True) -> None:
    assert {key: text for key, text in world.live().items() if key in tree} == tree
    assert all(key.startswith("_astro/") for key in set(world.live()) - set(tree))
    now = world.manifest()
    assert (now.deployment_id, now.commit, now.complete, now.holder) == (
        before.deployment_id,
        before.commit,
        complete,
        None,
    )
    world.check_pages()


def test_what_is_found_out_by_the_first_look_is_refused_before_anything_is_changed() -> None:
    world, first = two_deployments()
    forget(world, "e.html", OLD["e.html"])
    before = world.manifest()
    with pytest.raises(NotRestorable, match=r"e\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_is is SiteIs.UNTOUCHED
    assert world.manifest() == before and world.live().items() >= NEW.items()


def test_what_is_found_out_halfway_is_taken_back() -> None:
    world, first = two_deployments()
    forget(world, "d.html", OLD["d.html"])
    before = world.manifest()
    changed: list[str] = []
    with pytest.raises(NotRestorable, match=r"s3://site/d\.html is not stored any more") as caught:
        world.roll_back(first, after=lambda operation, key: changed.append(key) if operation == "copy" else None)
    assert "a.html" in changed, "asking for all of them would take as long as the copies"
    assert caught.value.site_is is SiteIs.PUT_BACK
    check_is_as_before(world, NEW, before)
    assert not world.manifest().reconcile
    # The books are right: the next publish trusts them, and the versions they name are stored.
    assert world.publish(world.site("s2"), NEW, "3" * 40).uploaded == 0
    world.check_is(NEW)
    again = world.publish(world.site("s2"), OLD, "4" * 40)
    world.roll_back(world.publish(world.site("s2"), NEW, "5" * 40).deployment_id)
    world.roll_back(again.deployment_id)
    world.check_is(OLD)


def test_a_page_that_both_have_and_that_is_gone_with_all_versions_is_told_and_left_to_the_next_publish() -> None:
    both = {"both.html": "<p>"}
    world, first = two_deployments(OLD | both, NEW | both)
    del world.store.objects["site", "both.html"]
    before = world.manifest()
    with pytest.raises(NotRestorable, match=r"both\.html") as caught:
        world.roll_back(first)
    assert (caught.value.site_is, caught.value.missing) == (SiteIs.PUT_BACK, ("both.html",))
    # A build of the same commit is not left out for a site that is complete.
    check_is_as_before(world, NEW, before, complete=False)
    assert world.manifest().reconcile
    world.publish(world.site("s2"), NEW | both, "3" * 40)
    world.check_is(NEW | both)


def test_what_was_no_whole_deployment_before_is_not_put_back() -> None:
    world, first = two_deployments()
    forget(world, "d.html", OLD["d.html"])
    put(world, world.manifest().model_copy(update={"complete": False}))
    with pytest.raises(NotRestorable, match=r"d\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_is is SiteIs.MIXED
    assert world.live()["a.html"] == OLD["a.html"] and world.live()["d.html"] == NEW["d.html"]
    assert world.manifest().reconcile and world.manifest().holder is None
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


def test_a_fault_while_it_is_put_back_is_told_with_the_reason_and_the_next_publish_completes_the_site() -> None:
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
    assert manifest.reconcile and not manifest.complete and manifest.holder is None
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


def test_what_cannot_be_put_back_stays_with_what_it_loads_and_is_told() -> None:
    loads = OLD | {f"{name}.html": OLD[f"{name}.html"] + "<link href='old.txt'>" for name in "abcde"}
    world, first = two_deployments(loads)
    forget(world, "d.html", loads["d.html"])
    before = world.manifest()
    foreign = before.files["a.html"].model_copy(update={"version_id": None})
    put(world, before.model_copy(update={"files": before.files | {"a.html": foreign}}))
    with pytest.raises(NotRestorable, match=r"d\.html") as caught:
        world.roll_back(first)
    assert (caught.value.site_is, caught.value.missing) == (SiteIs.MIXED, ("a.html",))
    assert world.live()["b.html"] == NEW["b.html"] and world.live()["a.html"] == loads["a.html"]
    assert world.manifest().reconcile and not world.manifest().complete
    world.check_pages()
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


@pytest.mark.parametrize("operation", ["copy", "list", "delete"])
def test_what_s3_refuses_halfway_is_taken_back(operation: str) -> None:
    world, first = two_deployments()
    before, asked = world.manifest(), 0

    def refuse(what: str, _: str) -> None:
        nonlocal asked
        asked += what == operation
        if what == operation and asked == (4 if what == "copy" else 1):
            raise refused("AccessDenied", 403)

    with pytest.raises(NotRestorable, match="AccessDenied") as caught:
        world.roll_back(first, before=refuse)
    assert caught.value.site_is is SiteIs.PUT_BACK
    check_is_as_before(world, NEW, before)
    world.publish(world.site("s2"), OLD, "3" * 40)
    world.check_is(OLD)


def test_who_may_not_copy_at_all_changes_nothing() -> None:
    world, first = two_deployments()
    before = world.manifest()

    class Denied:
        def put(self, bucket: str, file: LocalFile) -> Sent:
            raise AssertionError(file)

        def copy(self, bucket: str, file: StoredFile) -> Sent:
            raise refused("AccessDenied", 403)

        def head(self, bucket: str, file: StoredFile) -> None:
            pass

    with pytest.raises(NotRestorable, match="AccessDenied") as caught:
        world.roll_back(first, Denied())
    assert caught.value.site_is is SiteIs.UNTOUCHED
    assert world.manifest() == before and world.live().items() >= NEW.items()


def test_what_was_live_gets_its_stylesheet_back_that_somebody_deleted() -> None:
    both = {"both.html": "<p>"}
    world, first = two_deployments(OLD | both, NEW | both)
    world.store.add("site", "_astro/s.2.css", None)
    del world.store.objects["site", "both.html"]
    with pytest.raises(NotRestorable, match=r"both\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_is is SiteIs.PUT_BACK
    assert world.live().items() >= NEW.items()
    world.check_pages()


def test_the_newest_version_of_an_asset_counts_the_older_ones_expire() -> None:
    world, first = two_deployments()
    world.roll_back(first)  # copies the stylesheet onto itself
    world.publish(world.site("s1"), NEW, "3" * 40)
    versions = world.store.objects["site", "_astro/s.1.css"]
    del versions[:-1]
    world.drift("_astro/s.1.css")
    world.roll_back(first)
    world.check_is(OLD)


def test_a_fault_that_does_not_pass_is_left_to_the_next_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    world, first = two_deployments()
    monkeypatch.setattr(faults, "PATIENCE_SECONDS", 0.0)

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


def test_the_site_is_back_before_the_bucket_is_listed() -> None:
    world, first = two_deployments()
    seen: list[str] = []
    world.roll_back(first, before=lambda operation, _: seen.append(operation))
    assert seen.count("list") == 1 and seen.index("list") > max(
        i for i, name in enumerate(seen) if name in {"copy", "delete"}
    )
    world.check_is(OLD)


def test_what_was_changed_by_hand_is_made_right_in_the_same_deployment() -> None:
    both = {"both.html": "<p>", "_astro/b.1.css": "b"}
    world, first = two_deployments(OLD | both, NEW | both)
    for key, body in (
        ("both.html", b"defaced"),
        ("_astro/b.1.css", None),
        ("_astro/s.2.css", None),
        ("strange.html", b"?"),
    ):
        world.store.add("site", key, body)
    done = world.roll_back(first)
    world.check_is(OLD | both)
    assert world.live()["_astro/s.2.css"] == "new", "open pages load it"
    assert world.manifest().deployment_id == done.deployment_id
    # a to e, their stylesheet, `old.txt`; then the two that were the same in both.
    assert (done.uploaded, done.deleted, done.unchanged) == (9, 2, 0)


@pytest.mark.parametrize("while_putting_back", [False, True])
def test_who_loses_the_site_meanwhile_warns_the_next_publish(
    monkeypatch: pytest.MonkeyPatch, while_putting_back: bool
) -> None:
    world, first = two_deployments()
    forget(world, "d.html", OLD["d.html"])
    other = NEW | {"b.html": "<p>the other's", "c.html": "<p>the other's"}
    real, copies = books.time.monotonic, 0

    def stand_still(operation: str, key: str) -> None:
        nonlocal copies
        if operation == "copy" and key == "b.html":
            copies += 1
            if copies == 1 + while_putting_back:
                # This process stands still for 100 s; another session publishes; then the copy that was under way lands.
                world.store.clock += 100.0
                world.publish(world.site("s2"), other, "7" * 40)
                world.store.add("site", "b.html", b"<p>late")
                monkeypatch.setattr(books.time, "monotonic", lambda: real() + 100)

    with pytest.raises(SiteTaken):
        world.roll_back(first, before=stand_still)
    assert world.live()["b.html"] == "<p>late"
    assert world.manifest().reconcile, "the other is told that something of ours is on top of its site"
    world.publish(world.site("s3"), other, "8" * 40)
    world.check_is(other)


def test_nothing_was_changed_means_the_books_too() -> None:
    world, first = two_deployments()
    before = world.manifest()

    def forgotten_now(operation: str, key: str) -> None:
        if operation == "copy" and key in OLD:  # deleted between the question and the copy
            forget(world, key, OLD[key])

    with pytest.raises(NotRestorable) as caught:
        world.roll_back(first, before=forgotten_now)
    assert caught.value.site_is is SiteIs.UNTOUCHED
    assert world.live().items() >= NEW.items() and world.manifest() == before


def test_a_copy_without_an_answer_beside_one_that_is_gone_leaves_the_books_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew, "THREADS", 2)
    monkeypatch.setattr(faults, "PATIENCE_SECONDS", 0.0)
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
            raise refused("InternalError", 500)  # carried out, and told as a failure until patience ended

    with pytest.raises(NotRestorable, match=r"a\.html") as caught:
        world.roll_back(first, before=before, after=after)
    assert caught.value.site_is is SiteIs.PUT_BACK
    assert world.manifest().reconcile, "the copy may still land"
    assert world.live()["b.html"] == NEW["b.html"]
    world.check_pages()
    world.store.add("site", "b.html", loads["b.html"].encode())
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


@pytest.mark.parametrize("version_too", [False, True])
def test_no_page_goes_live_without_a_stylesheet_in_grace_that_somebody_deleted(version_too: bool) -> None:
    world, first = two_deployments()
    world.store.add("site", "_astro/s.1.css", None)
    if version_too:
        forget(world, "_astro/s.1.css", OLD["_astro/s.1.css"])
    world.check_pages()
    with contextlib.suppress(NotRestorable):
        world.roll_back(first, before=lambda *_: world.check_pages())
    world.check_pages()
    assert ("_astro/s.1.css" in world.live()) is not version_too
