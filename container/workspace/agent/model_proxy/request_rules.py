"""Which requests the proxy lets through, and what of them. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import quote, unquote

MAX_BODY_BYTES = 32 * 1024 * 1024
"""The limit of a request to the Messages API (Claude docs, "Errors": 413 above 32 MB)."""

PASSED_ON = {
    "accept",
    "anthropic-beta",
    "anthropic-version",
    "content-type",
    "user-agent",
    "x-app",
    "x-claude-code-session-id",
}
"""The request headers that the model's API gets. Cookies, authorization and Host are not among them."""

HANDED_BACK = {"content-type", "retry-after", "retry-after-ms", "request-id", "x-should-retry", "x-amzn-requestid"}
_HANDED_BACK_PREFIXES = ("anthropic-", "x-amzn-bedrock-", "x-amzn-errortype")

_VALUE = re.compile(r"[\x20-\x7e\t]*")
_LENGTH = re.compile(r"[0-9]{1,12}")
_BEDROCK = re.compile(r"/model/(?P<model>[^/?#]+)/(?P<what>invoke|invoke-with-response-stream|count-tokens)")
_MODEL_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,510}[A-Za-z0-9])?")


class RefusalError(Exception):
    """An answer of the proxy itself, in the API's error format.

    `kind` is the error type of the API: authentication_error, not_found_error, ...
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message

    def body(self) -> bytes:
        """Returns the answer's JSON."""
        return json.dumps({"type": "error", "error": {"type": self.kind, "message": self.message}}).encode()


@dataclass(frozen=True)
class Route:
    """A request that the proxy passes on."""

    target: str
    """Path and query at the model's API."""
    metered: bool
    """Whether the answer costs anything."""
    model: str = ""
    """The model's id in the path (Bedrock); empty if the body names it."""


def anthropic_route(target: str) -> Route:
    """Returns the route of a request target that Claude Code sends to the Messages API. Raises RefusalError."""
    path, _, query = target.partition("?")
    suffix = "?beta=true" if query == "beta=true" else ""
    if path == "/v1/messages":
        return Route(path + suffix, metered=True)
    if path == "/v1/messages/count_tokens":
        return Route(path + suffix, metered=False)
    raise _unknown()


def bedrock_route(target: str) -> Route:
    """Returns the route of a request target that Claude Code sends to Bedrock. Raises RefusalError."""
    match = _BEDROCK.fullmatch(target)
    # An ARN has its slash quoted: "application-inference-profile%2Fabc".
    model = unquote(match["model"]) if match else ""
    if match is None or not _MODEL_ID.fullmatch(model):
        raise _unknown()
    return Route(f"/model/{quote(model, safe='')}/{match['what']}", match["what"] != "count-tokens", model)


def body_length(headers: Message) -> int:
    """Returns the body's length. Refuses everything that two servers could understand in two ways.

    Raises RefusalError.
    """
    lengths = headers.get_all("content-length") or []
    if headers.get_all("transfer-encoding"):
        raise RefusalError(411, "invalid_request_error", "Send a Content-Length, no Transfer-Encoding.")
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0].strip()):
        raise RefusalError(400, "invalid_request_error", "Send exactly one Content-Length.")
    if int(lengths[0]) > MAX_BODY_BYTES:
        raise RefusalError(413, "request_too_large", f"The request is over {MAX_BODY_BYTES} bytes.")
    return int(lengths[0])


def sent_token(headers: Message) -> str:
    """Returns the token of a request: its x-api-key, else its bearer token; empty without one or with several."""
    keys = headers.get_all("x-api-key") or headers.get_all("authorization") or []
    return keys[0].removeprefix("Bearer ").strip() if len(keys) == 1 else ""


def passed_on(headers: Message) -> dict[str, str]:
    """Returns the headers that go to the model's API."""
    return {
        name.lower(): value for name, value in headers.items() if name.lower() in PASSED_ON and _VALUE.fullmatch(value)
    }


def handed_back(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the headers of the API's answer that go to the client."""
    return {
        name: value
        for name, value in headers.items()
        if (name.lower() in HANDED_BACK or name.lower().startswith(_HANDED_BACK_PREFIXES)) and _VALUE.fullmatch(value)
    }


def _unknown() -> RefusalError:
    return RefusalError(404, "not_found_error", "Only the Messages API is reachable here.")
