"""Describes the site after a failed rollback, and the remedy, for a person. Pure."""

from sitewright.cli.deployment_history import History, Live
from sitewright.contracts.records import DeploymentRecord
from sitewright.publishing.after_publish.retention import is_restorable
from sitewright.publishing.errors import NotRestorable, SiteState, shorten


def site_after_refusal(error: NotRestorable, past: History) -> str:
    """Describes the site after a refused rollback, and the next step."""
    missing = shorten(error.missing)
    if error.site_state is SiteState.UNCHANGED:
        return "Nothing was changed."
    if error.site_state is SiteState.REVERTED:
        but = f", but for what is not stored any more ({missing}); a publish that has it sends it" if missing else ""
        return f"The site is again as {error.before} left it{but}."
    half = "The site is half restored: what was live before"
    if missing:
        return f"{half} is not stored as a whole any more either ({missing}). Send a message: its publish completes the site."
    return f"{half} was no whole deployment either. {ways_to_repair(past, None)}"


def ways_to_repair(past: History, before: str | None) -> str:
    """Names the ways to complete a partly restored site. `before` is the previously live deployment, if known."""
    restorable = any(record.deployment_id == before and is_restorable(record) for record in past.records)
    goal = f"`--to {before}`" if restorable else "`--to` and another deployment"
    return f"Go back with {goal}, or send a message: either completes the site."


def site_after_failure(past: History, now: Live | None, target: DeploymentRecord) -> tuple[str, str]:
    """Describes the site after a rollback that ended halfway, and the remedy, each as a part of a sentence.

    Args:
        past: as read before the rollback.
        now: the live deployment after the rollback; None if it cannot be read.
        target: the deployment to restore.
    """
    again = f"--to {target.deployment_id}"
    if now is not None and past.live is not None and now.manifest == past.live.manifest:
        return "nothing was changed", f"Repeat it with `{again}`."
    if now is not None and now.manifest.complete and not now.publishing and now.manifest.commit == target.commit:
        if not now.manifest.reconcile:
            return (
                "the site is restored, but not recorded",
                f"It is live as {now.id}, which `deployments` does not list.",
            )
        return (
            "the site is restored, but was not compared with the bucket, and is not recorded",
            f"Repeat it with `{again}`, which does both.",
        )
    before = past.live.id if past.live else None
    return "the site may be half restored", f"Repeat it with `{again}`. {ways_to_repair(past, before)}"
