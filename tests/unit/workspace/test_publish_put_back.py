"""Rollbacks that find out halfway that a version is not stored any more: the site is put back as it was."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspace.publish import faults, rollback
from workspace.publish.faults import NotRestorable, PublishError, SiteIs

from contracts.manifest import Manifest
from contracts.names import manifest_key
from tests.unit.workspace.model_s3 import refused
from tests.unit.workspace.publish_world import (
    TREES,
    Killed,
    Tree,
    World,
    at_request,
    kill_from,
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
    """Of what is to be copied, the first is asked for: a site of some files is then like one of thousands."""
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


def check_is_as_before(world: World, tree: Tree, before: Manifest) -> None:
    assert {key: text for key, text in world.live().items() if key in tree} == tree
    assert all(key.startswith("_astro/") for key in set(world.live()) - set(tree))
    now = world.manifest()
    assert (now.deployment_id, now.commit, now.complete, now.holder) == (
        before.deployment_id,
        before.commit,
        True,
        None,
    )
    world.check_pages()


def test_what_is_found_out_by_the_first_look_is_refused_before_anything_is_changed() -> None:
    world, first = two_deployments()
    forget(world, "old.txt", OLD["old.txt"])
    before = world.manifest()
    with pytest.raises(NotRestorable, match=r"old\.txt") as caught:
        world.roll_back(first)
    assert caught.value.site_is is SiteIs.UNTOUCHED
    assert world.manifest() == before and world.live().items() >= NEW.items()


def test_what_is_found_out_halfway_is_taken_back() -> None:
    world, first = two_deployments()
    forget(world, "e.html", OLD["e.html"])
    before = world.manifest()
    changed: list[str] = []
    with pytest.raises(NotRestorable, match=r"s3://site/e\.html is not stored any more") as caught:
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
    assert caught.value.site_is is SiteIs.PUT_BACK
    check_is_as_before(world, NEW, before)
    assert world.manifest().reconcile
    world.publish(world.site("s2"), NEW | both, "3" * 40)
    world.check_is(NEW | both)


def test_what_was_no_whole_deployment_before_is_not_put_back() -> None:
    world, first = two_deployments()
    forget(world, "e.html", OLD["e.html"])
    put(world, world.manifest().model_copy(update={"complete": False}))
    with pytest.raises(NotRestorable, match=r"e\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_is is SiteIs.MIXED
    assert world.live()["a.html"] == OLD["a.html"] and world.live()["e.html"] == NEW["e.html"]
    assert world.manifest().reconcile and world.manifest().holder is None
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


def test_a_fault_while_it_is_put_back_is_told_with_the_reason_and_the_next_publish_completes_the_site() -> None:
    world, first = two_deployments()
    forget(world, "e.html", OLD["e.html"])
    copied = set[str]()

    def fail(operation: str, key: str) -> None:
        if operation == "copy":
            if key == "b.html" and key in copied:
                raise refused("AccessDenied", 403)
            copied.add(key)

    with pytest.raises(
        PublishError, match=r"e\.html is not stored.*could not be put back: .*b\.html: AccessDenied"
    ) as caught:
        world.roll_back(first, before=fail)
    assert not isinstance(caught.value, NotRestorable)
    world.check_pages()
    manifest = world.manifest()
    assert manifest.reconcile and not manifest.complete and manifest.holder is None
    world.publish(world.site("s2"), NEW, "3" * 40)
    world.check_is(NEW)


def test_what_came_by_other_hands_before_is_left_to_the_next_publish() -> None:
    world, first = two_deployments()
    forget(world, "e.html", OLD["e.html"])
    before = world.manifest()
    foreign = before.files["a.html"].model_copy(update={"version_id": None})
    put(world, before.model_copy(update={"files": before.files | {"a.html": foreign}}))
    with pytest.raises(NotRestorable, match=r"e\.html") as caught:
        world.roll_back(first)
    assert caught.value.site_is is SiteIs.PUT_BACK
    assert world.live()["b.html"] == NEW["b.html"] and world.live()["a.html"] == OLD["a.html"]
    assert world.manifest().reconcile
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
    # a to e, the stylesheet's page and `old.txt`; then the two that were the same in both.
    assert (done.uploaded, done.deleted, done.unchanged) == (8, 2, 1)


@given(TREES, TREES, st.data())
@settings(deadline=None, max_examples=150)
def test_whatever_is_gone_no_page_is_broken_at_any_request_and_the_site_is_one_of_the_two(
    old: Tree, new: Tree, data: st.DataObject
) -> None:
    world, first = two_deployments(old, new)
    before = world.manifest()
    key = data.draw(st.sampled_from(sorted(old)))
    forget(world, key, old[key])
    # What is live needs its own version.
    missing = new.get(key) == old[key] or (key not in new and key.startswith("_astro/"))
    if missing:
        world.store.add("site", key, old[key].encode())
    what = data.draw(st.sampled_from(["nothing", "killed", "fault", "passing fault"]))
    number, carried_out = data.draw(st.integers(1, 20)), data.draw(st.booleans())

    def fail() -> None:
        raise refused("InternalError", 500) if what == "passing fault" else refused("AccessDenied", 403)

    hooks: dict[str, Any] = {"before": lambda *_: world.check_pages()}
    if what == "killed":
        hooks["after" if carried_out else "before"] = kill_from(number)
    elif what != "nothing":
        hooks["after" if carried_out else "before"] = at_request(number, fail)
    with contextlib.suppress(Killed, PublishError):
        world.roll_back(first, **hooks)
        world.check_is(old)
    world.check_pages()
    if what != "killed" and world.manifest().deployment_id == before.deployment_id:
        check_is_as_before(world, new, before)
    last = data.draw(st.sampled_from([old, new]))
    world.store.clock += 100.0
    world.publish(world.site("s3"), last, "9" * 40)
    world.check_is(last)
