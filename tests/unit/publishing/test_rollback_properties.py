"""Rollbacks of manually changed sites, with missing versions, and with faults, kills and Ctrl-C at any request."""

import contextlib
import hashlib
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewright.publishing import lease, rollback
from sitewright.publishing.errors import NotRestorable, PublishError, SiteState
from sitewright.publishing.objects import s3_retry, workers
from tests.support.publishing.model_s3 import refused
from tests.support.publishing.publish_world import TREES, Killed, Tree, World, at_request, kill_from, no_pauses  # noqa: F401 - an autouse fixture
from tests.support.publishing.rollback_world import check_is_as_before, forget, put, two_deployments


class SkippedTime:
    """A clock whose pauses take no time. With the real clock, who waits for a lease would work for its 60 seconds."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        self._skipped += seconds


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "SAMPLED_VERSIONS", 1)
    monkeypatch.setattr(s3_retry, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(lease, "time", SkippedTime())


@given(TREES, TREES, st.data())
@settings(deadline=None, max_examples=150)
def test_with_any_version_missing_no_page_breaks_and_the_site_is_one_of_the_two(
    old: Tree, new: Tree, data: st.DataObject
) -> None:
    world, first = two_deployments(old, new)
    before = world.manifest()
    key = data.draw(st.sampled_from(sorted(old)))
    forget(world, key, old[key])
    # A file that stays live needs a stored version.
    missing = new.get(key) == old[key] or (key not in new and key.startswith("_astro/"))
    if missing:
        world.store.add("site", key, old[key].encode())
    what = data.draw(st.sampled_from(["nothing", "killed", "fault", "passing fault"]))
    number, carried_out = data.draw(st.integers(1, 20)), data.draw(st.booleans())

    def fail() -> None:
        # A refused request is not carried out.
        raise refused("AccessDenied", 403) if what == "fault" and not carried_out else refused("InternalError", 500)

    hook = kill_from(number) if what == "killed" else at_request(number, fail if what != "nothing" else lambda: None)

    def before_each(operation: str, key: str) -> None:
        world.check_pages()
        if not carried_out:
            hook(operation, key)

    hooks: dict[str, Any] = {"before": before_each} | ({"after": hook} if carried_out else {})
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


def drift(world: World) -> set[str]:
    """Returns the keys whose object differs from the manifest's entry."""
    files = world.manifest().files
    live = {key: hashlib.md5(text.encode()).hexdigest() for key, text in world.live().items()}
    return {key for key in files.keys() | live.keys() if key not in files or files[key].etag != live.get(key)}


def unstored(world: World) -> set[str]:
    """Returns the keys whose version in the manifest is not stored."""
    ids = {key: {v.id for v in made if v.body is not None} for (where, key), made in world.store.objects.items()}
    found = world.manifest().files.items()
    return {key for key, entry in found if entry.version_id is not None and entry.version_id not in ids.get(key, ())}


def is_broken(world: World) -> bool:
    try:
        world.check_pages()
    except AssertionError:
        return True
    return False


def by_hand(world: World, old: Tree, data: st.DataObject) -> None:
    """Deletes and overwrites files of the target, deletes versions, and may mark the manifest."""
    keys = sorted(world.live().keys() | old.keys())
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=2)):
        act = data.draw(st.sampled_from(["delete", "overwrite", "forget"]))
        if act == "forget" and key in old:
            forget(world, key, old[key])
        elif act != "forget":
            world.store.add("site", key, None if act == "delete" else b"by hand")
    if data.draw(st.booleans()):
        world.store.add("site", "foreign.txt", b"?")
    if drift(world) and data.draw(st.booleans()):
        put(world, world.manifest().model_copy(update={"reconcile": True}))


def trouble(world: World, data: st.DataObject) -> dict[str, Any]:
    """Draws hooks: an event at one request, and maybe refusals of one kind of request from then on."""
    what = data.draw(st.sampled_from(["nothing", "killed", "fault", "passing fault", "ctrl-c"]))
    number, carried_out = data.draw(st.integers(1, 30)), data.draw(st.booleans())
    refuses = data.draw(st.sampled_from(["", "", "copy", "delete", "list"]))
    first = data.draw(st.integers(1, 3))
    counted = 0

    def fail() -> None:
        if what == "ctrl-c":
            raise KeyboardInterrupt
        raise refused("AccessDenied", 403) if what == "fault" and not carried_out else refused("InternalError", 500)

    hook = kill_from(number) if what == "killed" else at_request(number, fail if what != "nothing" else lambda: None)

    def before(operation: str, key: str) -> None:
        nonlocal counted
        counted += operation == refuses
        if operation == refuses and counted >= first:
            raise refused("AccessDenied", 403)
        if not carried_out:
            hook(operation, key)

    return {"before": before} | ({"after": hook} if carried_out else {})


@given(TREES, TREES, TREES, st.data())
@settings(deadline=None, max_examples=150)
def test_the_reported_state_of_the_site_is_true_and_the_next_publish_completes_it(
    old: Tree, new: Tree, other: Tree, data: st.DataObject
) -> None:
    world, first = two_deployments(old, new)
    by_hand(world, old, data)
    before, live_before = world.manifest(), world.live()
    drift_before, unstored_before = drift(world), unstored(world)
    whole_before = not is_broken(world) and not drift_before
    ended: BaseException | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "THREADS", data.draw(st.sampled_from([1, 4])))
        try:
            world.roll_back(first, **trouble(world, data))
        except (Killed, PublishError, KeyboardInterrupt) as error:
            ended = error
    now = world.manifest()
    believed = now.complete and not now.reconcile and now.lease_owner is None
    if ended is None:
        world.check_is(old)
        assert not unstored(world) & set(old)
    elif believed:
        assert drift(world) <= drift_before and unstored(world) <= unstored_before
    if ended is not None and whole_before:
        assert not is_broken(world)
    if isinstance(ended, NotRestorable) and ended.site_state is SiteState.UNCHANGED:
        assert world.live() == live_before
        assert now == before or now.lease_owner is not None, "the lease cannot be released if that is refused too"
    if isinstance(ended, NotRestorable) and ended.site_state is SiteState.REVERTED:
        live, excepted = world.live(), drift_before | unstored_before | set(ended.missing)
        assert all(live.get(key) == text for key, text in new.items() if key not in excepted)
    compares = now.reconcile or now.lease_owner is not None
    world.store.clock += 100.0
    last = data.draw(st.sampled_from([old, new, other]))
    world.publish(world.site("s3"), last, "9" * 40)
    if compares or not drift_before:
        world.check_is(last)
