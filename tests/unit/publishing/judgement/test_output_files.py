"""The root page, server code and LFS pointers."""

import pytest

from sitewright.contracts.error_codes import ErrorCode
from sitewright.publishing.judgement.output_files import lfs_pointers, missing_root_page, server_code
from sitewright.publishing.site_files import LocalFile


def test_a_root_page_that_vanishes_is_found_and_so_is_where_it_went() -> None:
    finding = missing_root_page(["index.html"], {"client/index.html", "client/a/index.html", "server/entry.mjs"})
    assert finding is not None and finding.code is ErrorCode.ROOT_PAGE_MISSING
    assert "client/index.html" in finding.text


def test_a_site_without_a_root_page_may_stay_so() -> None:
    assert missing_root_page([], {"a.html"}) is None
    assert missing_root_page(["a.html"], {"a.html"}) is None
    assert missing_root_page(["index.html"], {"index.html"}) is None


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"server/entry.mjs", "server/chunks/a.mjs", "client/index.html"}, {"server/entry.mjs", "server/chunks/a.mjs"}),
        ({"_worker.js/index.js", "index.html"}, {"_worker.js/index.js"}),
        ({"_worker.js"}, {"_worker.js"}),
        ({".env", "a/.env.production", ".dev.vars"}, {".env", "a/.env.production", ".dev.vars"}),
        ({"server/index.html", "server/app.js"}, set()),
        ({"server/rack.jpg", "docs/server/a.js", "my_worker.js", "environment.html", ".envelope"}, set()),
    ],
)
def test_code_of_a_server_is_told_from_a_page_about_servers(keys: set[str], found: set[str]) -> None:
    finding = server_code(keys, keys)
    assert (set() if finding is None else {key for key in keys if key in finding.text}) == found


def test_only_new_files_count() -> None:
    assert server_code([], {"_worker.js"}) is None


def test_pointers_are_named_and_no_edit_mends_them() -> None:
    pointer = LocalFile("hero.jpg", "/dist", "0", 130, "image/jpeg", "", is_lfs_pointer=True)
    other = LocalFile("me.jpg", "/dist", "0", 130, "image/jpeg", "")
    finding = lfs_pointers([pointer, other])
    assert (
        finding is not None and not finding.repairable and "hero.jpg" in finding.text and "me.jpg" not in finding.text
    )
    assert lfs_pointers([other]) is None
