"""Turns what AWS says into findings: a refusal is `not checked`, and so is an API that does not answer."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.cli.doctor.findings import Finding, not_checked

_DENIED = ("AccessDenied", "UnauthorizedOperation", "NotAuthorized", "AuthorizationError", "UnrecognizedClient")


def error_code(error: ClientError) -> str:
    """Returns AWS's code of an error; empty without one."""
    return str(error.response.get("Error", {}).get("Code", ""))


def unseen(check: str, action: str, error: Exception, subject: str = "") -> Finding:
    """Returns the finding for a request that AWS refused or did not answer. `action` is its IAM action."""
    if isinstance(error, ClientError) and error_code(error).startswith(_DENIED):
        return not_checked(check, f"you may not call {action}.", f"Allow {action}, or ask who may.", subject)
    said = " ".join(str(error).split()).rstrip(".")
    return not_checked(
        check,
        f"AWS did not answer {action}: {said}.",
        "Try again; look at the region and this machine's network.",
        subject,
    )


def guarded(check: str, action: str, look: Callable[[], list[Finding]], subject: str = "") -> list[Finding]:
    """Runs a check. AWS's errors that it does not expect make it `not checked`."""
    try:
        return look()
    except (ClientError, BotoCoreError) as error:
        return [unseen(check, action, error, subject)]
