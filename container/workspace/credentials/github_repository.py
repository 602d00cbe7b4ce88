"""Where a repository's GitHub has its API, and how it names the repository. Pure."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

from sitewright.contracts.names import github_api_host


@dataclass(frozen=True)
class GitHubRepository:
    """A repository on github.com or on a GitHub Enterprise host."""

    api: str
    """The API's URL, without a slash at its end."""
    noreply: str
    """The domain of the no-reply addresses that GitHub gives to its accounts."""
    owner: str
    name: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Returns the repository of `https://HOST/OWNER/NAME(.git)`. The site's settings are checked before."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        owner, _, name = parts.path.strip("/").partition("/")
        own = github_api_host(host)
        api = f"{parts.scheme}://{own}" if own != host else f"{parts.scheme}://{parts.netloc}/api/v3"
        return cls(api=api, noreply=f"users.noreply.{host}", owner=owner, name=name.removesuffix(".git"))

    @property
    def full_name(self) -> str:
        """OWNER/NAME."""
        return f"{self.owner}/{self.name}"

    @property
    def path(self) -> str:
        """The path of the repository in the API."""
        return f"/repos/{quote(self.owner)}/{quote(self.name)}"
