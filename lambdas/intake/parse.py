"""From a queue message's body to a command, or to what is wrong with it. Pure, and total: it raises for no body.

A body that raised here would come back from the queue until it is given up, and with it the whole batch.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import Command, readable_ids

_DIGITS = 300
"""Longer integers become floats: Python refuses to convert more than 4,300 digits (`sys.set_int_max_str_digits`)."""

_IDS = {"sessionId", "commandId"}


@dataclass(frozen=True)
class Rejected:
    """A message with readable ids that is no valid command."""

    session_id: str
    command_id: str
    error: ErrorInfo


@dataclass(frozen=True)
class Unreadable:
    """A message nobody can be answered for."""

    reason: str


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names came more than once."""

    repeated: set[str]


def parse(body: str) -> Command | Rejected | Unreadable:
    """The command in a message's body."""
    try:
        data, faults = _load(body)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"the body is no JSON: {error}")
    ids = readable_ids(data)
    if ids is None or _IDS & data.repeated:
        return Unreadable(
            "the body has no readable sessionId and commandId (one each, strings of 1 to 128 printable ASCII characters)"
        )
    if faults:
        return Rejected(*ids, ErrorInfo.of(ErrorCode.INVALID_MESSAGE, "; ".join(faults[:5])))
    try:
        return Command.model_validate(data)
    except ValidationError as error:
        return Rejected(*ids, ErrorInfo.of(ErrorCode.INVALID_MESSAGE, _faults(error)))


def _load(body: str) -> tuple[Any, list[str]]:
    """The value, and what Python's parser takes but other readers do not (RFC 8259). Raises ValueError, RecursionError."""
    faults: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> _Object:
        value = _Object(found)
        value.repeated = set()
        if len(value) < len(found):
            value.repeated = {name for name, times in Counter(name for name, _ in found).items() if times > 1}
            # Readers differ in which one counts, so nobody could say which command this was.
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
