"""What goes to the dead-letter queue: a copy that SQS takes, whatever the message was. Pure.

A copy that the queue refused would bring the message back again and again, and it would end there without a reason.
"""

from dataclasses import dataclass

MESSAGE_BYTES = 1024 * 1024
"""Body and attributes together (SQS Developer Guide, "Amazon SQS message quotas")."""

REASON_CHARACTERS = 900
NO_REASON = "no reason was given"
_OVERHEAD = len("reason") + len("String")


@dataclass(frozen=True)
class DeadLetter:
    """A message's body and the value of its attribute `reason`."""

    body: str
    reason: str


def dead_letter(body: str, reason: str) -> DeadLetter:
    """The copy; a body that leaves no room for the reason is cut at its end, and the reason says so."""
    text = sendable(reason)[:REASON_CHARACTERS].strip() or NO_REASON
    data = body.encode("utf-8", errors="replace")
    if len(data) + len(text.encode()) + _OVERHEAD <= MESSAGE_BYTES:
        return DeadLetter(body, text)
    text = f"{text} (the message had {len(data)} bytes; its end was cut off to make room for this)"
    room = MESSAGE_BYTES - len(text.encode()) - _OVERHEAD
    return DeadLetter(data[:room].decode("utf-8", errors="ignore"), text)


def sendable(text: str) -> str:
    """The text with a question mark for each character that SQS refuses (API reference, SendMessage, `MessageBody`)."""
    return "".join(c if _allowed(ord(c)) else "?" for c in text)


def _allowed(point: int) -> bool:
    return (
        point in {0x9, 0xA, 0xD} or 0x20 <= point <= 0xD7FF or 0xE000 <= point <= 0xFFFD or 0x10000 <= point <= 0x10FFFF
    )
