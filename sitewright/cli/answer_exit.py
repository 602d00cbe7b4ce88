"""The exit code of a command's response. Pure."""

from collections.abc import Mapping
from typing import Any

from sitewright.contracts.messages import ResponseStatus

DONE, FAILED, IN_PART = 0, 1, 3
"""All done; failed; done in part. 2 is the command line's own errors."""

_ENDED_EARLY = {ResponseStatus.FAILED, ResponseStatus.TIMED_OUT}


def exit_code_of(answer: Mapping[str, Any]) -> int:
    """Returns the exit code for a response, as a script reads it.

    In part: the edit is saved and not live, or live and not saved in git, or something is left for a person to do.
    """
    if answer["success"]:
        return DONE if answer["error"] is None else IN_PART
    live_only = answer["status"] in _ENDED_EARLY and answer["deploySuccess"] is True and not answer["pushed"]
    return IN_PART if live_only else FAILED
