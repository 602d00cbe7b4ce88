"""Why GitHub gives an App no token, and what the operator can do. Pure."""

from workspace.credentials.github_api import Answer
from workspace.credentials.github_repository import GitHubRepository

MAX_SKEW_SECONDS = 30.0
"""A clock that differs by less is no reason for a refusal: the JWT is backdated, and ends before the limit."""


def passes(answer: Answer) -> bool:
    """Returns whether a repetition may succeed: GitHub is down, or limits the rate of requests."""
    if answer.status >= 500 or answer.status in {408, 429}:
        return True
    limited = "rate limit" in answer.message.lower() or answer.headers.get("X-RateLimit-Remaining") == "0"
    return answer.status == 403 and limited


def explain(answer: Answer, repository: GitHubRepository, app_id: str, skew: float | None) -> str:
    """Returns what happened and what to do, in one line.

    Args:
        answer: GitHub's refusal.
        repository: the site's repository.
        app_id: the App's id.
        skew: how far GitHub's clock is ahead of ours in seconds, if it is known.
    """
    said, status = answer.message.lower(), answer.status
    app, name = f"GitHub App {app_id}", repository.full_name
    if status == 401:
        if "claim" in said and skew is not None and abs(skew) > MAX_SKEW_SECONDS:
            return f"The workspace's clock differs from GitHub's by {abs(skew):.0f} s: correct the host's clock"
        return (
            f"GitHub refuses the signature of the {app}: store the privateKey of this App in the App's secret, "
            f"and check that it was not deleted on the App's page{_words(answer)}"
        )
    if status == 403 and "suspended" in said:
        return f"The {app} is suspended for {repository.owner}: unsuspend it in the settings of the installation"
    if status == 404 and "integration not found" in said:
        return f"GitHub has no App {app_id}: correct the appId in the App's secret"
    if status == 404:
        return (
            f"The {app} is not installed on {name}: install it, or add the repository to its installation; "
            "check the site's `repository` too"
        )
    if status == 422 and "permission" in said:
        return (
            f"The {app} has no write access to contents at {repository.owner}: set the permission on the App's page, "
            "and accept it in the installation"
        )
    if status == 422:
        return (
            f"The installation of the {app} does not have the repository {name}: add it, "
            f"or correct the site's `repository` if it was renamed{_words(answer)}"
        )
    return f"GitHub gives the {app} no token for {name}: it answers {status}{_words(answer)}"


def _words(answer: Answer) -> str:
    return f" (GitHub says: {answer.message})" if answer.message else ""
