"""Parses the body of a queue message into a command, a rejection, or a dead letter's reason. Pure.

It raises for no body: otherwise the queue would deliver the whole batch again and again.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import ClientId, Command
from sitewright.contracts.storable_ids import id_fault

_DIGITS = 300
"""Maximum digits of an integer. Longer ones become floats: Python refuses to convert more than 4,300 digits
(`sys.set_int_max_str_digits`).
"""

_IDS = {"sessionId", "commandId"}
_CLIENT: TypeAdapter[str] = TypeAdapter(ClientId)


@dataclass(frozen=True)
class Rejected:
    """A message that has both ids but is no valid command. It gets a response."""

    client_id: str | None
    """None unless the message has one valid clientId."""
    session_id: str
    command_id: str
    error: ErrorInfo


@dataclass(frozen=True)
class Unreadable:
    """A message that no response can be addressed to. It goes to the dead-letter queue."""

    reason: str


class _Object(dict[str, Any]):
    """A JSON object, and its repeated names."""

    repeated: set[str]


def parse(body: str) -> Command | Rejected | Unreadable:
    """Parses a message's body."""
    try:
        data, faults = _load(body)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"the body is no JSON: {error}")
    if not isinstance(data, _Object) or _IDS & data.repeated:
        return Unreadable("the body is no JSON object with one sessionId and one commandId")
    reasons = [id_fault(name, data.get(name)) for name in sorted(_IDS, reverse=True)]
    if any(reasons):
        return Unreadable("the body has no readable ids: " + "; ".join(reason for reason in reasons if reason))
    ids = _client_of(data), data["sessionId"], data["commandId"]
    if faults:
        return Rejected(*ids, ErrorInfo.of(ErrorCode.INVALID_MESSAGE, "; ".join(faults[:5])))
    try:
        return Command.model_validate(data)
    except ValidationError as error:
        return Rejected(*ids, ErrorInfo.of(ErrorCode.INVALID_MESSAGE, _faults(error)))


def _client_of(data: _Object) -> str | None:
    try:
        return None if "clientId" in data.repeated else _CLIENT.validate_python(data.get("clientId"))
    except ValidationError:
        return None


def _load(body: str) -> tuple[Any, list[str]]:
    """Returns the value, and the faults that Python's parser accepts and other parsers refuse (RFC 8259).

    Raises ValueError, RecursionError.
    """
    faults: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> _Object:
        value = _Object(found)
        value.repeated = set()
        if len(value) < len(found):
            value.repeated = {name for name, times in Counter(name for name, _ in found).items() if times > 1}
            # Parsers differ in which value counts, so the command would be ambiguous.
            faults.extend(f"{json.dumps(name)[:100]} comes more than once" for name in sorted(value.repeated)[:5])
        return value

    def constant(name: str) -> None:
        faults.append(f"{name} is no JSON value")

    return json.loads(body, object_pairs_hook=pairs, parse_int=_integer, parse_constant=constant), faults


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _faults(error: ValidationError) -> str:
    texts = []
    for fault in error.errors(include_input=False, include_url=False)[:5]:
        field = str(fault["loc"][0]) if fault["loc"] else "the message"
        texts.append(f"{field}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(texts)
