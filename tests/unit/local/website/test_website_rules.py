"""S3's website rules, as its user guide gives them."""

import pytest

from sitewright.local.website.website_rules import Lookup, Website, lookup, not_modified

SITE = Website("index.html", "404.html")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", Lookup("index.html")),
        ("/hello/", Lookup("hello/index.html")),
        ("/hello", Lookup("hello", "hello/index.html", "/hello/")),
        ("/a%20b+c.png", Lookup("a b+c.png", "a b+c.png/index.html", "/a%20b+c.png/")),
        ("/%C3%A9", Lookup("é", "é/index.html", "/%C3%A9/")),
        ("/../secret", Lookup(None)),
        ("/a/%2e%2e/secret", Lookup(None)),
        ("/%00", Lookup(None)),
        ("/%FF", Lookup(None)),
        ("//evil.example", Lookup("/evil.example", "/evil.example/index.html", "//evil.example/")),
    ],
)
def test_lookup(path: str, expected: Lookup) -> None:
    assert lookup(path, SITE) == expected


@pytest.mark.parametrize(
    ("none_match", "since", "expected"),
    [
        ('"e"', None, True),
        ('W/"e", "f"', None, True),
        ("*", None, True),
        ('"f"', 200.0, False),
        (None, 100.0, True),
        (None, 99.0, False),
        (None, None, False),
    ],
)
def test_not_modified(none_match: str | None, since: float | None, expected: bool) -> None:
    assert not_modified('"e"', 100.7, none_match, since) is expected
