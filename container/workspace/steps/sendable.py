"""Makes the session's commits such as the git host takes them, before they are published.

What is live and refused by the host would be saved nowhere but in a checkpoint.
"""

from collections.abc import Sequence

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.workspace_settings import GitAuth
from sitewright.publishing.judgement.findings import Finding, PublishRefused, named
from workspace.errors import GitError
from workspace.repository.host_rules import unsent_commits
from workspace.repository.host_rules.unsent_content import Refusable, is_github, look
from workspace.step_context import StepContext
from workspace.steps.signing import try_to_sign

_TEXTS = {
    ErrorCode.PUSH_SECRET: "What looks like a password or an API key is in {files}. A website shows it to everybody, and git "
    "hosts refuse it.",
    ErrorCode.PUSH_LARGE_FILE: "Git hosts refuse files of more than 100 MiB: {files}.",
    ErrorCode.PUSH_WORKFLOW: "GitHub refuses changes of workflows with the token of this site: {files}.",
}


class WouldBeRefused(PublishRefused):
    """The git host would refuse the commits, so nothing is built and published of them."""


def make_sendable(ctx: StepContext) -> None:
    """Folds commits that the host refused, or would refuse, into a clean one, and signs. Raises WouldBeRefused, StepStopped.

    A look that fails is no reason: the push will tell.
    """
    checkout, request = ctx.checkout, ctx.request
    try:
        github = ctx.settings.git_auth is GitAuth.GITHUB_APP or is_github(checkout.remote.url)
        found = look(checkout, github=github)
        unclean = unsent_commits.is_refused(checkout) or any(not one.present for one in found)
        if unclean and (folded := unsent_commits.fold(checkout, request.session_id, request.command_id)):
            ctx.log("commits that the git host refuses are folded into a clean one", commit=folded)
    except (GitError, TimeoutError) as error:
        ctx.log("what the git host would refuse is not known", level="warning", error=str(error)[:500])
        found = []
    try_to_sign(ctx)
    if findings := refusals(found, ctx.command.allow or ()):
        raise WouldBeRefused(findings)


def refusals(found: Sequence[Refusable], allowed: Sequence[ErrorCode]) -> list[Finding]:
    """Returns the reasons to publish nothing: what the files still have, and nobody allowed. Pure."""
    paths = dict[ErrorCode, list[str]]()
    for one in found:
        if one.present and one.code not in allowed:
            paths.setdefault(one.code, []).append(one.path)
    return [
        Finding(code, _TEXTS[code].format(files=named(list(dict.fromkeys(files))))) for code, files in paths.items()
    ]
