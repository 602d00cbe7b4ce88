"""Makes the copy of an unreadable message for the dead-letter queue. SQS accepts the copy of any message. Pure.

If the queue refused the copy, SQS would deliver the message again and again. In the end SQS itself would move the message
to the dead-letter queue, without a reason.
"""

from dataclasses import dataclass

MESSAGE_BYTES = 1024 * 1024
"""Maximum size of body and attributes together (SQS Developer Guide, "Amazon SQS message quotas")."""

REASON_CHARACTERS = 900
NO_REASON = "no reason was given"
_OVERHEAD = len("reason") + len("String")


@dataclass(frozen=True)
class DeadLetter:
    """A message for the dead-letter queue: the body and the value of the attribute `reason`."""

    body: str
    reason: str


def dead_letter(body: str, reason: str) -> DeadLetter:
    """Returns the copy of a message. Cuts the end of a body that leaves no room for the reason, and adds that to the reason."""
    text = sendable(reason)[:REASON_CHARACTERS].strip() or NO_REASON
    data = body.encode("utf-8", errors="replace")
    if len(data) + len(text.encode()) + _OVERHEAD <= MESSAGE_BYTES:
        return DeadLetter(body, text)
    text = f"{text} (the message had {len(data)} bytes; its end was cut off to make room for this)"
    room = MESSAGE_BYTES - len(text.encode()) - _OVERHEAD
    return DeadLetter(data[:room].decode("utf-8", errors="ignore"), text)


def sendable(text: str) -> str:
    """Replaces each character that SQS refuses by a question mark (API reference, SendMessage, `MessageBody`)."""
    return "".join(c if _allowed(ord(c)) else "?" for c in text)


def _allowed(point: int) -> bool:
    return (
        point in {0x9, 0xA, 0xD} or 0x20 <= point <= 0xD7FF or 0xE000 <= point <= 0xFFFD or 0x10000 <= point <= 0x10FFFF
    )
