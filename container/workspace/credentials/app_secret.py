"""The GitHub App's secret: `{"appId", "privateKey"}` as JSON, in the forms that people paste. Pure."""

import base64
import binascii
import json
import re
import textwrap
from dataclasses import dataclass, field

from sitewright.contracts.secrets.secret_text import SecretTextError

WANTED = 'store {"appId": …, "privateKey": "-----BEGIN RSA PRIVATE KEY-----…"}'

_ID_KEYS = {"appid", "clientid", "id"}
_PEM_KEYS = {"privatekey", "key", "pem"}
_PEM = re.compile(r"-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----(?P<body>.*?)-----END (?P=kind)-----", re.DOTALL)


@dataclass(frozen=True)
class AppSecret:
    """The identity of a GitHub App."""

    app_id: str
    """The App's id or its client id: GitHub takes both as the issuer of a JWT."""
    private_key: str = field(repr=False)
    """PEM, in PKCS#1 (as GitHub hands it out) or PKCS#8."""


def parse_app(text: str) -> AppSecret:
    """Parses the secret's text. Raises SecretTextError."""
    if not text.strip():
        raise SecretTextError(f"is empty: {WANTED}")
    try:
        # Not strict: a key pasted by hand has real line ends within the JSON text.
        parsed = json.loads(text, strict=False)
    except ValueError as error:
        alone = " the private key alone" if _PEM.search(text) else " no JSON"
        raise SecretTextError(f"is{alone}: {WANTED}") from error
    if not isinstance(parsed, dict):
        raise SecretTextError(f"is no JSON object: {WANTED}")
    return AppSecret(_app_id(_value(parsed, _ID_KEYS, "appId")), _pem(_value(parsed, _PEM_KEYS, "privateKey")))


def _value(parsed: dict[str, object], names: set[str], wanted: str) -> str:
    found = [value for key, value in parsed.items() if re.sub(r"[\W_]", "", key.lower()) in names]
    if len(found) != 1 or not isinstance(found[0], str | int) or not str(found[0]).strip():
        raise SecretTextError(f"has no {wanted}: {WANTED}")
    return str(found[0]).strip()


def _app_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
        raise SecretTextError("has an appId that is neither a number nor a client id: copy it from the App's page")
    return value


def _pem(value: str) -> str:
    match = _PEM.search(value.replace("\\n", "\n")) or _PEM.search(_decoded(value))
    if match is None:
        raise SecretTextError("has a privateKey that is no PEM text: paste the whole .pem file that GitHub gave you")
    kind, body = match["kind"], "".join(match["body"].split())
    if "ENCRYPTED" in kind or ":" in body:
        raise SecretTextError("has a privateKey with a passphrase: paste the .pem file as GitHub gave it to you")
    # A single-line field of a form turns line ends into spaces.
    return f"-----BEGIN {kind}-----\n" + "\n".join(textwrap.wrap(body, 64)) + f"\n-----END {kind}-----\n"


def _decoded(value: str) -> str:
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
