"""From a queue message's body to a command, or to what is wrong with it. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.errors import ErrorCode, ErrorInfo
from contracts.messages import Command, readable_ids


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


def parse(body: str) -> Command | Rejected | Unreadable:
    """The command in a message's body."""
    try:
        data: Any = json.loads(body)
    except (json.JSONDecodeError, RecursionError) as error:
        return Unreadable(f"the body is no JSON: {error}"[:900])
    ids = readable_ids(data)
    if ids is None:
        return Unreadable(
            "the body has no readable sessionId and commandId (two strings of 1 to 128 printable ASCII characters)"
        )
    try:
        return Command.model_validate(data)
    except ValidationError as error:
        return Rejected(*ids, ErrorInfo.of(ErrorCode.INVALID_MESSAGE, _faults(error)))


def _faults(error: ValidationError) -> str:
    texts = []
    for fault in error.errors(include_input=False, include_url=False)[:5]:
        field = str(fault["loc"][0]) if fault["loc"] else "the message"
        texts.append(f"{field}: {fault['msg']}")
    return "; ".join(texts)
