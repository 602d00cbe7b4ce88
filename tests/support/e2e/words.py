"""Words for a site that several tests, and the attempts of one test, share."""

import uuid


def fresh(text: str) -> str:
    """Returns a text that is new on the site. The demo model adds no heading twice, and what changes nothing is not published."""
    return f"{text} {uuid.uuid4().hex[:6]}"
