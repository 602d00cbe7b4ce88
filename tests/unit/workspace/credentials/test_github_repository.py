"""Where the API of a repository's host is."""

import pytest
from workspace.credentials.github_repository import GitHubRepository


@pytest.mark.parametrize(
    ("url", "api", "noreply"),
    [
        ("https://github.com/bakery/site.git", "https://api.github.com", "users.noreply.github.com"),
        ("https://GitHub.com/bakery/site/", "https://api.github.com", "users.noreply.github.com"),
        ("https://bakery.ghe.com/bakery/site", "https://api.bakery.ghe.com", "users.noreply.bakery.ghe.com"),
        ("https://git.bakery.example/bakery/site.git", "https://git.bakery.example/api/v3",
         "users.noreply.git.bakery.example"),
        ("https://git.bakery.example:8443/bakery/site.git", "https://git.bakery.example:8443/api/v3",
         "users.noreply.git.bakery.example"),
        ("http://127.0.0.1:7000/bakery/site.git", "http://127.0.0.1:7000/api/v3", "users.noreply.127.0.0.1"),
    ],
)  # fmt: skip
def test_the_api_follows_from_the_repositorys_host(url: str, api: str, noreply: str) -> None:
    found = GitHubRepository.of(url)
    assert (found.api, found.noreply) == (api, noreply)
    assert (found.full_name, found.path) == ("bakery/site", "/repos/bakery/site")
