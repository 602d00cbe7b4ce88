"""One GET, whose answer of any status is a value. Follows no redirect, so that no other host gets a token."""

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_SECONDS = 10.0
_MAX_BYTES = 1 << 16


class NoAnswer(Exception):
    """The host did not answer: no network, no such name, a proxy, a certificate that nobody trusts."""


@dataclass(frozen=True)
class Answer:
    """An answer of any status."""

    status: int
    content_type: str
    location: str
    """Where a redirect leads; empty otherwise."""
    body: bytes = field(repr=False, default=b"")


class _Stay(urllib.request.HTTPRedirectHandler):
    # The arguments are the base class's.
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> None:  # noqa: PLR0917
        return None


def get(url: str, headers: dict[str, str]) -> Answer:
    """Returns the answer. Raises NoAnswer, whose text names the host and never a header."""
    request = urllib.request.Request(url, headers={"User-Agent": "sitewright", **headers})  # noqa: S310 - https by the site's settings
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return _answer(answer.status, answer.headers, answer.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.headers, error.read(_MAX_BYTES))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NoAnswer(f"{request.host} does not answer ({' '.join(str(reason).split())})") from error


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    return Answer(status, headers.get("Content-Type", ""), headers.get("Location", ""), body)
