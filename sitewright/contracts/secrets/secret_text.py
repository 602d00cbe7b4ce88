"""Reads a token or an API key out of a secret's text, in the forms that people paste. Pure."""

import json
import re
from collections.abc import Sequence

GIT_TOKEN_KEYS = ("token", "git-token", "github-token", "gitlab-token", "access-token", "password", "pat")
"""The keys under which a JSON object may hold a git token."""

MODEL_KEY_KEYS = ("key", "model-key", "api-key", "anthropic-api-key", "token")
"""The keys under which a JSON object may hold the model's API key."""

_KEY = re.compile(r"[A-Za-z][\w. -]{0,23}")
_PREFIX = re.compile(r"(?:bearer|token)(?:\s+|$)", re.IGNORECASE)
_BYTE_ORDER_MARK = "\ufeff"
_QUOTES = "\"'`"


class SecretTextError(ValueError):
    """A secret's text is not usable. The message names keys and lengths, never a value."""


def single_value(text: str, names: Sequence[str]) -> str:
    """Returns the one value in a secret's text.

    Accepts the bare value, and a JSON object, as Secrets Manager's console makes of a key and a value. Of an object with
    several keys one of `names` must be a key. Letters' case, hyphens and underscores of keys do not matter.
    Drops white space around the value, quotes around it, and a leading `Bearer `.

    Raises SecretTextError.
    """
    stripped = text.strip().strip(_BYTE_ORDER_MARK)
    if not stripped:
        raise SecretTextError("is empty: store the value in it")
    parsed = _json(stripped)
    if isinstance(parsed, dict):
        stripped = _of_object(parsed, names)
    elif isinstance(parsed, str):
        stripped = parsed
    elif parsed is not None:
        raise SecretTextError("is a JSON list: store the bare value")
    return _checked(_unwrapped(stripped))


def _json(text: str) -> object:
    if not text.startswith(("{", "[", '"')):
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        if text.startswith("{"):
            raise SecretTextError("begins like a JSON object, but is none: store the bare value") from error
        return None


def _of_object(parsed: dict[str, object], names: Sequence[str]) -> str:
    values = {key: value for key, value in parsed.items() if isinstance(value, str) and value.strip()}
    if len(values) == 1:
        return next(iter(values.values()))
    known = [key for key in values if _plain(key) in {_plain(name) for name in names}]
    if len(known) == 1:
        return values[known[0]]
    if not values:
        raise SecretTextError("is a JSON object without a text in it: store the bare value")
    keys = ", ".join(_shown(key) for key in values)
    raise SecretTextError(f"has the keys {keys}: store the bare value, or one key only, or name the key {names[0]!r}")


def _shown(key: str) -> str:
    # Somebody may have pasted the value as the key.
    return repr(key) if _KEY.fullmatch(key) else f"(one of {len(key)} characters)"


def _plain(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")


def _unwrapped(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in _QUOTES:
        value = value[1:-1].strip()
    return _PREFIX.sub("", value)


def _checked(value: str) -> str:
    if not value:
        raise SecretTextError("is empty: store the value in it")
    if len(value.split()) > 1:
        raise SecretTextError(f"has {len(value.split())} words, separated by white space: store one value in it")
    if not value.isascii() or not value.isprintable():
        raise SecretTextError("has a character that no token has, perhaps from a word processor: paste it again")
    return value
