"""A user's own repository, used through the command line alone."""

import json

from tests.home import sitewright
from tests.support.e2e.sites import PLAIN
from tests.support.e2e.stack_driver import Stack


def test_a_site_of_ones_own_is_edited_published_and_pushed(stack: Stack) -> None:
    edit = "Run the command: `echo '<h1>From the command line</h1></html>' > pages/news.html`"
    done = sitewright("send", edit, "--client", PLAIN, "--session", "own-repository", "--wait", "--json")
    answer = json.loads(done.stdout)  # nothing else is on stdout
    assert answer["success"] and answer["filesChanged"] == ["pages/news.html"], answer
    site = stack.site(PLAIN)
    assert "From the command line" in site.page("/news.html")
    assert "<h1>Plain</h1>" in site.page()
    branches = site.git("branch", "--format=%(refname:short)").split()
    assert "master" in branches and "main" not in branches
    assert site.git("branch", "--contains", answer["commit"], "--format=%(refname:short)").split()
