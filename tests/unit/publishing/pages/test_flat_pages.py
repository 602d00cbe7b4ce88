"""Flat pages have a second key."""

from pathlib import Path

import pytest

from sitewright.publishing.dist_files import open_file, scan
from sitewright.publishing.pages import flat_pages
from sitewright.publishing.pages.flat_pages import further_keys, leading_page, leading_pages
from tests.support.publishing.site_world import write

LONG = "/".join(["x" * 200] * 5) + "/" + "x" * 10 + ".html"

FLAT = {
    "index.html": "<h1>Home</h1>",
    "404.html": "gone",
    "about.html": "<h1>About</h1>",
    "blog.html": "blog",
    "blog/first.html": "first",
    "team.html": "flat",
    "team/index.html": "folder",
    "press.html": "page",
    "press": "file",
    ".html": "?",
    "..html": "no page in place of the root page",
    "...html": "no page beside the folder",
    "blog/...html": "nor here",
    LONG: "its second key would be too long",
    "site.css": "a{}",
}


def built(folder: Path) -> Path:
    write(folder / "dist", FLAT)
    return folder / "dist"


def test_a_flat_page_is_served_without_its_suffix(tmp_path: Path) -> None:
    found = {file.key: file for file in further_keys(scan(built(tmp_path)))}
    assert set(found) == {"about", "blog", "blog/first"}
    about = found["about"]
    assert about.content_type == "text/html; charset=utf-8" and about.cache_control.startswith("public, max-age=0")
    with open_file(about) as opened:
        assert opened.read() == b"<h1>About</h1>"


def test_behind_cloudfront_a_small_page_leads_to_a_flat_one(tmp_path: Path) -> None:
    found = {file.key: file for file in leading_pages(scan(built(tmp_path)), tmp_path / "leading")}
    assert set(found) == {"about/index.html", "blog/index.html", "blog/first/index.html"}
    assert {path.name for path in tmp_path.iterdir()} == {"dist", "leading"}
    with open_file(found["blog/first/index.html"]) as opened:
        page = opened.read().decode()
    assert 'url=/blog/first.html"' in page and 'location.replace("/blog/first.html" + location.search' in page
    assert page.rstrip().endswith("</html>")


def test_a_name_cannot_break_out_of_the_leading_page() -> None:
    page = leading_page("</script><script>alert(1)</script>\"'.html")
    assert "<script>alert" not in page and page.count("<script>") == 1 and page.count("</script>") == 1
    assert "url=/%C3%BC.html" in leading_page("ü.html")


def test_a_site_at_the_limit_gets_no_further_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = scan(built(tmp_path))
    monkeypatch.setattr(flat_pages, "DIST_FILES", len(files))
    assert further_keys(files) == []
