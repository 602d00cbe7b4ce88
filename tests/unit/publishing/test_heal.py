"""Assets of older pages that are deleted or overwritten manually: healed for open pages and for rollbacks."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspace.errors import StepStopped, StopReason

from sitewright.contracts.names import manifest_key
from sitewright.publishing.errors import NotRestorable, PublishError
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.publisher import Publish
from tests.support.publishing.model_s3 import refused
from tests.support.publishing.publish_world import (
    TREES,
    Killed,
    Tree,
    World,
    at_request,
    kill_from,
    no_pauses,  # noqa: F401 - an autouse fixture
)

OLD = {"index.html": "<link href='_astro/s.1.css'>", "_astro/s.1.css": "old"}
NEW = {"index.html": "<link href='_astro/s.2.css'>", "_astro/s.2.css": "new"}
ASSET = "_astro/s.1.css"


def two_deployments() -> tuple[World, str]:
    world = World()
    first = world.publish(world.site("s1"), OLD, "1" * 40)
    world.publish(world.site("s1"), NEW, "2" * 40)
    return world, first.deployment_id


def forget_versions(world: World, key: str) -> None:
    """Deletes a key's older versions, as the lifecycle rule or a person does."""
    versions = world.store.objects["site", key]
    del versions[:-1]


@pytest.mark.parametrize("by_hand", [None, b"body{display:none}"])
def test_a_retired_asset_is_copied_back_from_the_version_in_the_manifest(by_hand: bytes | None) -> None:
    world, first = two_deployments()
    retired_at = world.manifest().files[ASSET].retired_at
    world.drift(ASSET, by_hand)
    again = world.publish(world.site("s2"), NEW, "3" * 40)
    assert world.live()[ASSET] == "old" and world.manifest().files[ASSET].retired_at == retired_at
    world.check_is(NEW)
    assert (again.uploaded, again.lost) == (0, ()) and ASSET in again.stale
    headers = {version.headers for version in world.store.objects["site", ASSET] if version.body == b"old"}
    assert len(headers) == 1, "as it was published"
    # The manifest names the copy's version now, so the asset can be healed again.
    world.drift(ASSET)
    world.publish(world.site("s2"), NEW, "4" * 40)
    world.check_is(NEW)
    forget_versions(world, ASSET)
    world.roll_back(first)
    world.check_is(OLD)


def test_an_asset_that_retires_in_the_publish_that_finds_it_missing_is_healed_too() -> None:
    world = World()
    world.publish(world.site("s1"), OLD, "1" * 40)
    world.drift(ASSET)
    world.publish(world.site("s1"), NEW, "2" * 40)
    world.check_is(NEW)
    assert world.live()[ASSET] == "old"


@pytest.mark.parametrize("by_hand", [None, b"body{display:none}"])
def test_an_asset_without_a_stored_version_is_dropped_and_reported_once(by_hand: bytes | None) -> None:
    world, first = two_deployments()
    world.drift(ASSET, by_hand)
    forget_versions(world, ASSET)
    told = world.publish(world.site("s2"), NEW, "3" * 40)
    assert told.lost == (ASSET,) and told.error is None
    world.check_is(NEW)  # manifest and bucket agree: the next check finds no drift
    assert (ASSET in world.live()) == (by_hand is not None)
    assert world.publish(world.site("s2"), NEW, "4" * 40).lost == ()
    with pytest.raises(NotRestorable, match=r"s\.1\.css"):
        world.roll_back(first)
    world.check_is(NEW)


def test_a_due_asset_is_not_healed() -> None:
    world, _ = two_deployments()
    world.drift(ASSET)
    due = world.manifest()
    files = due.files | {ASSET: due.files[ASSET].model_copy(update={"due": True})}
    put(world, due.model_copy(update={"files": files}))
    assert world.publish(world.site("s2"), NEW, "3" * 40).lost == ()
    world.check_is(NEW)
    assert ASSET not in world.live()


def put(world: World, manifest: Manifest) -> None:
    world.site("x").s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=manifest.to_bytes())


def test_a_rollback_heals_other_missing_files() -> None:
    world, first = two_deployments()
    other = {"index.html": "<link href='_astro/s.3.css'>", "_astro/s.3.css": "third"}
    world.publish(world.site("s1"), other, "3" * 40)
    world.drift("_astro/s.2.css")
    world.roll_back(first)
    world.check_is(OLD)
    assert world.live()["_astro/s.2.css"] == "new"


def test_a_partial_publish_leaves_the_healing_to_the_next_one() -> None:
    world, _ = two_deployments()
    world.drift(ASSET)
    edit = {"index.html": NEW["index.html"] + "<p>", "_astro/s.2.css": "new"}
    Publish(world.site("s1"), world.files(edit), "3" * 40, partial=True).run()
    assert world.live()["index.html"].endswith("<p>") and ASSET not in world.live()
    assert world.manifest().reconcile and ASSET in world.manifest().files
    world.publish(world.site("s1"), edit, "4" * 40)
    world.check_is(edit)
    assert world.live()[ASSET] == "old"


def test_a_stop_before_the_healing_leaves_it_to_the_next_publish() -> None:
    world, _ = two_deployments()
    world.drift(ASSET)

    def stop(operation: str, key: str) -> None:
        if operation == "copy":
            raise StepStopped(StopReason.INTERRUPT)

    with pytest.raises(StepStopped):
        world.publish(world.site("s1", before=stop), NEW, "3" * 40)
    assert world.manifest().lease_owner is None
    world.publish(world.site("s1"), NEW, "4" * 40)
    world.check_is(NEW)
    assert world.live()[ASSET] == "old"


@given(TREES, TREES, st.integers(1, 14), st.sampled_from(["killed", "fault", "passing fault"]), st.booleans())
@settings(deadline=None, max_examples=80)
def test_the_assets_of_older_pages_are_healed_after_any_events(
    old: Tree, new: Tree, number: int, what: str, carried_out: bool
) -> None:
    world = World()
    world.publish(world.site("s1"), old, "1" * 40)
    world.publish(world.site("s1"), new, "2" * 40)
    assets = {key: text for key, text in world.live().items() if key.startswith("_astro/")}
    for key in assets:
        world.drift(key)

    def fail() -> None:
        raise refused("InternalError", 500) if what == "passing fault" else ConnectionResetError

    hook: Any = kill_from(number) if what == "killed" else at_request(number, fail)
    with contextlib.suppress(Killed, PublishError, ConnectionResetError):
        world.publish(world.site("s1", **{"after" if carried_out else "before": hook}), new, "3" * 40)
    world.publish(world.site("s1"), new, "4" * 40)
    world.check_is(new)
    assert {key: world.live()[key] for key in assets} == assets
