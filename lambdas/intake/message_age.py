"""Refuses commands that were sent too long ago, so that they do not interrupt today's work. Pure.

A message from the dead-letter queue counts as a new one: SQS gives it another time of arrival. So only `sentAt` in its body tells
its age. Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
("All redriven messages are considered new messages with a new messageID and enqueueTime").
"""

from datetime import UTC, datetime

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SiteEntry


def sent_at(told: int | None, arrived: int | None) -> int | None:
    """Returns when a message was sent (ms), as far as it is known.

    Args:
        told: the time in its body. A clock that is fast does not make it younger.
        arrived: when SQS got it.
    """
    return min((time for time in (told, arrived) if time is not None), default=None)


def is_too_old(site: SiteEntry, sent: int | None, now: int) -> bool:
    """Tells whether the site takes no command any more that was sent then."""
    limit = site.max_message_age_seconds
    return limit is not None and sent is not None and now - sent > limit * 1000


def age_refusal(site: SiteEntry, sent: int | None, now: int) -> ErrorInfo | None:
    """Returns the reason why the site takes no new command that was sent then; None if it does."""
    if sent is None or not is_too_old(site, sent, now):
        return None
    # A clock in seconds instead of milliseconds shows as a date of 1970.
    when = datetime.fromtimestamp(sent / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    hours = (site.max_message_age_seconds or 0) / 3600
    return ErrorInfo.of(
        ErrorCode.MESSAGE_TOO_OLD,
        f"the message was sent at {when} UTC, and the site takes none older than {hours:g} hours",
    )
