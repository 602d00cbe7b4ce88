"""One request to GitHub's API. Redirects stay on the API's own origin, so that no other host gets a token."""

import email.message
import email.utils
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from workspace.errors import CredentialsUnavailable

TIMEOUT_SECONDS = 5.0
"""The limit of a connection and of each read. GitHub answers in a fraction of a second."""

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Answer:
    """An answer of any status."""

    status: int
    body: dict[str, Any] = field(repr=False)
    headers: email.message.Message

    @property
    def message(self) -> str:
        """GitHub's words about an error."""
        return str(self.body.get("message", ""))[:300]

    @property
    def time(self) -> float | None:
        """GitHub's clock (the header Date), in seconds since 1970."""
        try:
            return email.utils.parsedate_to_datetime(self.headers.get("Date") or "").timestamp()
        except ValueError:
            return None


class GitHubApi:
    """The API of one host."""

    def __init__(self, base: str, ca_file: str | None = None) -> None:
        """`ca_file` has further trust anchors: those of git (GIT_SSL_CAINFO)."""
        self._base = base
        context = ssl.create_default_context()
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _SameOrigin())

    def call(self, method: str, path: str, bearer: str, body: dict[str, Any] | None = None) -> Answer:
        """Sends a request. Raises CredentialsUnavailable without an answer."""
        request = urllib.request.Request(  # noqa: S310 - the settings allow https, and http for loopback only
            self._base + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {bearer}",
                "Content-Type": "application/json",
                "User-Agent": "sitewright",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return Answer(answer.status, _json(answer.read(_MAX_BYTES)), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _json(error.read(_MAX_BYTES)), error.headers)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise CredentialsUnavailable(f"GitHub's API at {self._base} does not answer: {reason}") from error


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    # A renamed repository answers 301 with the new address. The request that follows carries the Authorization too.
    # The arguments are the base class's.
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:  # noqa: PLR0917
        asked, told = urlsplit(req.full_url), urlsplit(newurl)
        if (asked.scheme, asked.netloc) != (told.scheme, told.netloc):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _json(content: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
