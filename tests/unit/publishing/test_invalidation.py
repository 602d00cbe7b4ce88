"""The paths that CloudFront invalidates, and the error after a refusal."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from sitewright.publishing.objects.invalidation import (
    EVERYTHING,
    MAX_PATHS,
    InvalidationFailed,
    invalidate,
    invalidation_paths,
    stale_keys,
)

CALLER = "20261124T155200000Z-0123abcd"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("index.html", ("/", "/index.html")),
        ("hello/index.html", ("/hello", "/hello/", "/hello/index.html")),
        ("404.html", ("/404.html",)),
        ("myindex.html", ("/myindex.html",)),
        ("robots.txt", ("/robots.txt",)),
        ("a b/ü%.txt", ("/a%20b/%C3%BC%25.txt",)),
        ("what?#1.txt", ("/what%3F%231.txt",)),
        ("it's (1)+a,b=c@d:e;f!~$&.txt", ("/it's (1)+a,b=c@d:e;f!~$&.txt".replace(" ", "%20"),)),
    ],
)
def test_the_paths_of_a_key(key: str, expected: tuple[str, ...]) -> None:
    assert invalidation_paths([key]) == expected


def test_many_paths_become_one_wildcard() -> None:
    files = [f"{i}.txt" for i in range(MAX_PATHS)]
    assert len(invalidation_paths(files)) == MAX_PATHS
    assert invalidation_paths([*files, "one-more.txt"]) == EVERYTHING
    assert invalidation_paths([]) == ()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=12))
def test_every_path_is_a_path_of_ascii(keys: list[str]) -> None:
    found = invalidation_paths(keys)
    assert all(path.startswith("/") and path.isascii() and " " not in path and "?" not in path for path in found)
    assert len(found) <= MAX_PATHS
    assert bool(found) == bool(keys)
    assert found == invalidation_paths(list(reversed(keys)))


def test_a_new_hashed_asset_has_no_old_copy_but_a_healed_and_a_deleted_one_have() -> None:
    uploaded = ["_astro/new.1.css", "_astro/drifted.2.css", "new/index.html", "index.html"]
    found = stale_keys(uploaded, ["_astro/gone.3.css", "old.html"], live_before={"_astro/drifted.2.css", "index.html"})
    assert found == ["_astro/drifted.2.css", "_astro/gone.3.css", "index.html", "new/index.html", "old.html"]


class _CloudFront:
    """A scripted CloudFront client that refuses every other call."""

    def __init__(self) -> None:
        self.client = boto3.client("cloudfront", aws_access_key_id="x", aws_secret_access_key="x")
        self.stub = Stubber(self.client)
        self.stub.activate()

    def invalidate(self, keys: list[str], distribution: str | None = "E123") -> bool:
        return invalidate(distribution, CALLER, invalidation_paths(keys), lambda: self.client)


def _expected(items: list[str]) -> dict[str, Any]:
    batch = {"CallerReference": CALLER, "Paths": {"Quantity": len(items), "Items": items}}
    return {"DistributionId": "E123", "InvalidationBatch": batch}


def test_one_request_with_the_deployment_as_its_reference() -> None:
    cloudfront = _CloudFront()
    cloudfront.stub.add_response("create_invalidation", {}, _expected(["/", "/index.html", "/x.txt"]))
    assert cloudfront.invalidate(["x.txt", "index.html"])
    cloudfront.stub.assert_no_pending_responses()


@pytest.mark.parametrize(("distribution", "keys"), [(None, ["x.txt"]), ("E123", [])])
def test_nothing_is_invalidated_without_paths_or_a_distribution(distribution: str | None, keys: list[str]) -> None:
    cloudfront = _CloudFront()
    assert not cloudfront.invalidate(keys, distribution)


def test_a_refusal_is_an_error_of_its_own() -> None:
    cloudfront = _CloudFront()
    cloudfront.stub.add_client_error("create_invalidation", "TooManyInvalidationsInProgress", "slow down")
    with pytest.raises(InvalidationFailed, match="slow down"):
        cloudfront.invalidate(["x.txt"])
