"""Which keys serve an address."""

import pytest

from sitewright.publishing.pages.addresses import address_of, is_served, page_addresses, shown


@pytest.mark.parametrize(
    ("key", "address", "text"),
    [
        ("index.html", "", "/"),
        ("about.html", "about", "/about.html"),
        ("about/index.html", "about", "/about/"),
        ("a/b.HTM", "a/b", "/a/b.HTM"),
        ("myindex.html", "myindex", "/myindex.html"),
    ],
)
def test_a_page_has_one_address_in_either_format(key: str, address: str, text: str) -> None:
    assert (address_of(key), shown(key)) == (address, text)


def test_only_pages_have_an_address() -> None:
    assert page_addresses(["index.html", "a.css", "about"]) == {"": "index.html"}


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("", True),
        ("a/", True),
        ("a", True),
        ("a.css", True),
        ("b", False),
        ("b/", False),
        ("a.css/", False),
        ("A", False),
    ],
)
def test_a_path_is_a_file_or_a_folder_with_an_index(path: str, served: bool) -> None:
    assert is_served(path, {"index.html", "a/index.html", "a.css"}) is served
