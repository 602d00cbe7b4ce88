"""Asks the git host whether a token may push to the site's repository. Nothing is pushed."""

import base64
from collections.abc import Callable

from sitewright.cli.doctor.findings import Finding, failed, not_checked, ok, warning
from sitewright.cli.doctor.http_probe import Answer, NoAnswer

CHECK = "git token"
ADVERTISEMENT = "application/x-git-receive-pack-advertisement"
"""The content type of a git host that would take a push (git's documentation, gitprotocol-http, "Smart Clients")."""


def may_push(client_id: str, repository: str, token: str, get: Callable[[str, dict[str, str]], Answer]) -> Finding:
    """Asks as `git push` does before it sends anything: a host refuses a token that may only read at this request."""
    url = repository.rstrip("/")
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    try:
        answer = get(f"{url}/info/refs?service=git-receive-pack", {"Authorization": f"Basic {basic}"})
    except NoAnswer as error:
        return not_checked(CHECK, f"{error}.", "Check the repository's URL and this machine's network.", client_id)
    if answer.status == 200 and answer.content_type.partition(";")[0].strip() == ADVERTISEMENT:
        return ok(CHECK, f"may push to {url}.", client_id)
    if 300 <= answer.status < 400:
        return warning(
            CHECK, f"{url} has moved to {answer.location.partition('?')[0]}.", "Correct `repository`.", client_id
        )
    if answer.status == 401:
        return failed(CHECK, f"{url} refuses the token (401).", "It is wrong or expired: store a new one.", client_id)
    if answer.status == 403:
        message = f"the token may not push to {url} (403)."
        return failed(CHECK, message, "Give it read and write access to the repository's contents.", client_id)
    if answer.status == 404:
        message = f"there is no {url}, or the token may not see it (404)."
        return failed(CHECK, message, "Correct `repository`, or give the token access to it.", client_id)
    if answer.status == 200:
        return failed(CHECK, f"{url} is no git repository by https.", "Correct `repository`.", client_id)
    return not_checked(CHECK, f"{url} answered with status {answer.status}.", "Try again later.", client_id)
