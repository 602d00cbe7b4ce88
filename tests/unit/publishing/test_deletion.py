"""Deletes of keys that DeleteObjects cannot name, and of keys that S3 refuses to delete."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewright.contracts.error_codes import ErrorCode
from sitewright.publishing import publisher
from sitewright.publishing.objects.deletion import batches, fits_xml
from sitewright.publishing.publish_result import PublishResult
from tests.support.publishing.model_s3 import refused
from tests.support.publishing.publish_world import Tree, World

ODD = "a\x01b.html"
SITE = {"index.html": "<html></html>"}


def publish(world: World, tree: Tree, **hooks: Any) -> PublishResult:
    return publisher.publish(world.site("s1", **hooks), world.files(tree), "c" * 40)


def test_a_bucket_with_keys_that_xml_cannot_carry_heals() -> None:
    """An earlier publish stored such a key. Every DeleteObjects that names it deletes nothing."""
    world = World()
    publish(world, SITE)
    for key in (ODD, "x\x1f.txt", "old.html"):
        world.drift(key, b"x")
    assert publish(world, SITE).error is None
    assert set(world.live()) == set(SITE)
    world.check_is(SITE)


@pytest.mark.parametrize("key", ["old-0.html", ODD])
def test_one_key_that_s3_refuses_to_delete_does_not_keep_the_others(key: str) -> None:
    world = World()
    publish(world, SITE)
    for old in ("old-0.html", "old-1.html", "old.txt", ODD, "b\x02.txt"):
        world.drift(old, b"x")
    world.store.undeletable.add(key)
    outcome = publish(world, {**SITE, "new.html": "<html></html>"})
    assert outcome.error is not None and outcome.error.code is ErrorCode.PUBLISH_FAILED
    assert key in outcome.error.message
    assert set(world.live()) == {*SITE, "new.html", key}
    world.store.undeletable.clear()
    assert publish(world, SITE).error is None and set(world.live()) == set(SITE)


def test_a_refusal_of_the_whole_request_is_an_error() -> None:
    world = World()
    publish(world, {**SITE, "old.html": "<html></html>"})

    def refuse(operation: str, _: str) -> None:
        if operation == "delete":
            raise refused("AccessDenied", 403)

    outcome = publish(world, SITE, before=refuse)
    assert outcome.error is not None and "AccessDenied" in outcome.error.message and "old.html" in world.live()


@given(st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=30))
def test_batches_have_every_key_once_and_only_what_they_can_carry(keys: list[str]) -> None:
    made = list(batches(keys))
    assert sorted(key for batch in made for key in batch) == sorted(keys)
    assert all(len(batch) == 1 or all(fits_xml(key) for key in batch) for batch in made)


@pytest.mark.parametrize("char", ["\x00", "\x08", "\x0b", "\x0c", "\r", "\x1f", "\ufffe", "\uffff"])
def test_characters_that_xml_cannot_carry(char: str) -> None:
    assert not fits_xml(f"a{char}b") and fits_xml("a\tb\nü日😀&<")
