"""Rollbacks that lack a version halfway: the publisher reverts the site to the previously live deployment."""

import contextlib

import pytest

from sitewright.publishing.errors import NotRestorable, SiteState
from tests.support.publishing.publish_world import (
    no_pauses,  # noqa: F401 - an autouse fixture
)
from tests.support.publishing.rollback_world import (
    NEW,
    OLD,
    check_is_as_before,
    forget,
    one_look,  # noqa: F401 - an autouse fixture
    put,
    two_deployments,
)


def test_a_version_missing_in_the_sample_is_refused_before_any_change() -> None:
    world, first = two_deployments()
    forget(world, "e.html", OLD["e.html"])
    before = world.manifest()
    with pytest.raises(NotRestorable, match=r"e\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_state is SiteState.UNCHANGED
    assert world.manifest() == before and world.live().items() >= NEW.items()


def test_a_version_missing_halfway_is_reverted() -> None:
    world, first = two_deployments()
    forget(world, "d.html", OLD["d.html"])
    before = world.manifest()
    changed: list[str] = []
    with pytest.raises(NotRestorable, match=r"s3://site/d\.html is not stored any more") as caught:
        world.roll_back(first, after=lambda operation, key: changed.append(key) if operation == "copy" else None)
    assert "a.html" in changed, "asking for all of them would take as long as the copies"
    assert caught.value.site_state is SiteState.REVERTED
    check_is_as_before(world, NEW, before)
    assert not world.manifest().reconcile
    # The manifest is right. The next publish trusts it, and the versions that it names are stored.
    assert world.publish(world.site("s2"), NEW, "3" * 40).uploaded == 0
    world.check_is(NEW)
    again = world.publish(world.site("s2"), OLD, "4" * 40)
    world.roll_back(world.publish(world.site("s2"), NEW, "5" * 40).deployment_id)
    world.roll_back(again.deployment_id)
    world.check_is(OLD)


def test_a_page_of_both_deployments_without_any_version_is_reported_and_left_to_the_next_publish() -> None:
    both = {"both.html": "<p>"}
    world, first = two_deployments(OLD | both, NEW | both)
    del world.store.objects["site", "both.html"]
    before = world.manifest()
    with pytest.raises(NotRestorable, match=r"both\.html") as caught:
        world.roll_back(first)
    assert (caught.value.site_state, caught.value.missing) == (SiteState.REVERTED, ("both.html",))
    # The next build of the same commit must not be skipped, because the manifest is incomplete.
    check_is_as_before(world, NEW, before, complete=False)
    assert world.manifest().reconcile
    world.publish(world.site("s2"), NEW | both, "3" * 40)
    world.check_is(NEW | both)


def test_an_incomplete_deployment_is_not_reverted_to() -> None:
    world, first = two_deployments()
    forget(world, "d.html", OLD["d.html"])
    put(world, world.manifest().model_copy(update={"complete": False}))
    with pytest.raises(NotRestorable, match=r"d\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_state is SiteState.MIXED
    assert world.live()["a.html"] == OLD["a.html"] and world.live()["d.html"] == NEW["d.html"]
    assert world.manifest().reconcile and world.manifest().lease_owner is None
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


def test_a_file_that_cannot_be_reverted_stays_with_its_assets_and_is_reported() -> None:
    loads = OLD | {f"{name}.html": OLD[f"{name}.html"] + "<link href='old.txt'>" for name in "abcde"}
    world, first = two_deployments(loads)
    forget(world, "d.html", loads["d.html"])
    before = world.manifest()
    foreign = before.files["a.html"].model_copy(update={"version_id": None})
    put(world, before.model_copy(update={"files": before.files | {"a.html": foreign}}))
    with pytest.raises(NotRestorable, match=r"d\.html") as caught:
        world.roll_back(first)
    assert (caught.value.site_state, caught.value.missing) == (SiteState.MIXED, ("a.html",))
    assert world.live()["b.html"] == NEW["b.html"] and world.live()["a.html"] == loads["a.html"]
    assert world.manifest().reconcile and not world.manifest().complete
    world.check_pages()
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


def test_the_reverted_deployment_gets_its_manually_deleted_stylesheet_back() -> None:
    both = {"both.html": "<p>"}
    world, first = two_deployments(OLD | both, NEW | both)
    world.store.add("site", "_astro/s.2.css", None)
    del world.store.objects["site", "both.html"]
    with pytest.raises(NotRestorable, match=r"both\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_state is SiteState.REVERTED
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


def test_the_site_is_restored_before_the_bucket_is_listed() -> None:
    world, first = two_deployments()
    seen: list[str] = []
    world.roll_back(first, before=lambda operation, _: seen.append(operation))
    assert seen.count("list") == 1 and seen.index("list") > max(
        i for i, name in enumerate(seen) if name in {"copy", "delete"}
    )
    world.check_is(OLD)


def test_manual_changes_are_repaired_in_the_same_deployment() -> None:
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
    # Uploaded are a to e, their stylesheet, `old.txt` and the two files that both deployments share.
    assert (done.uploaded, done.deleted, done.unchanged) == (9, 2, 0)


@pytest.mark.parametrize("version_too", [False, True])
def test_no_page_goes_live_without_a_retired_stylesheet_that_was_deleted_manually(version_too: bool) -> None:
    world, first = two_deployments()
    world.store.add("site", "_astro/s.1.css", None)
    if version_too:
        forget(world, "_astro/s.1.css", OLD["_astro/s.1.css"])
    world.check_pages()
    with contextlib.suppress(NotRestorable):
        world.roll_back(first, before=lambda *_: world.check_pages())
    world.check_pages()
    assert ("_astro/s.1.css" in world.live()) is not version_too
