"""Two deployments on a model of S3, for rollbacks to the older one."""

import pytest

from sitewright.contracts.names import manifest_key
from sitewright.publishing import rollback
from sitewright.publishing.manifest import Manifest
from tests.support.publishing.publish_world import (
    Tree,
    World,
    no_pauses,  # noqa: F401 - an autouse fixture
)

OLD = {f"{name}.html": f"<link href='_astro/s.1.css'>{name}" for name in "abcde"} | {
    "_astro/s.1.css": "old",
    "old.txt": "o",
}


NEW = {f"{name}.html": f"<link href='_astro/s.2.css'>{name}" for name in "abcde"} | {
    "_astro/s.2.css": "new",
    "new.txt": "n",
}


def two_deployments(old: Tree = OLD, new: Tree = NEW) -> tuple[World, str]:
    world = World()
    first = world.publish(world.site("s1"), old, "1" * 40)
    world.publish(world.site("s1"), new, "2" * 40)
    return world, first.deployment_id


def forget(world: World, key: str, body: str) -> None:
    """Deletes only the version with this content."""
    versions = world.store.objects["site", key]
    versions[:] = [version for version in versions if version.body != body.encode()]


def put(world: World, manifest: Manifest) -> None:
    world.store.add("artifacts", manifest_key("amelia"), manifest.to_bytes())


def check_is_as_before(world: World, tree: Tree, before: Manifest, *, complete: bool = True) -> None:
    assert {key: text for key, text in world.live().items() if key in tree} == tree
    assert all(key.startswith("_astro/") for key in set(world.live()) - set(tree))
    now = world.manifest()
    assert (now.deployment_id, now.commit, now.complete, now.lease_owner) == (
        before.deployment_id,
        before.commit,
        complete,
        None,
    )
    world.check_pages()


@pytest.fixture(autouse=True)
def one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples only the first and the last version to copy.

    Then a small site behaves like one with thousands of files.
    """
    monkeypatch.setattr(rollback, "SAMPLED_VERSIONS", 1)
