"""Tells what changed since a deployment, for the judge of a publish. git runs as the guest: the answer is data."""

from sitewright.publishing.judgement.lost_pages import Edit
from workspace.errors import GitError
from workspace.guest import guest_files
from workspace.repository import changed_paths
from workspace.step_context import StepContext

SECONDS = 15.0
"""Less than a lease lasts: the judge may be asked under one."""

TEXT_BYTES = 2**20
"""So much of the diff is read: an edit of that size names what it removes many times."""

# `head` ends git early. The diff has no context lines: they name what did not change.
_DIFF = (
    'git diff --no-color --no-ext-diff --no-textconv --no-renames --unified=0 "$1" HEAD -- | head -c "$2" '
    "| grep -a '^[-+]'"
)

_EMPTY = 'for folder; do [ -n "$(ls -A -- "$folder" 2>/dev/null)" ] || printf "%s\\0" "$folder"; done'

_PATHS = r"^submodule\..*\.path$"
_SUBMODULES = 100


def edit_since(ctx: StepContext, commit: str | None) -> Edit:
    """Returns what changed between a commit and HEAD, and what the command changed.

    If the checkout does not have the commit, the newest commit's parent stands for it. Where git fails, the answer is what
    the agent's steps reported.
    """
    checkout, command = ctx.checkout, ctx.command
    paths = {path for part in (command.agent, command.repair) if part for path in part.files_changed}
    text = ""
    try:
        base = (checkout.resolve(commit) if commit else None) or checkout.resolve("HEAD^")
        if base is not None:
            paths.update(changed_paths.between(checkout.git, base, "HEAD"))
            text = checkout.git.script(_DIFF, base, str(TEXT_BYTES), timeout=SECONDS).stdout.decode("utf-8", "replace")
    except (GitError, TimeoutError, OSError) as error:
        ctx.log("what changed since the live deployment is not known", level="warning", error=str(error))
    return Edit(tuple(sorted(paths)), text, tuple(empty_submodules(ctx)))


def empty_submodules(ctx: StepContext) -> list[str]:
    """Returns the folders of submodules that are empty in the checkout. None of them where git fails."""
    if guest_files.look(ctx.paths.site, ".gitmodules") is None:
        return []
    git = ctx.checkout.git
    try:
        # Each entry is the key, a line feed and the value: names may contain spaces.
        found = git.completed("config", "-z", "--file", ".gitmodules", "--get-regexp", _PATHS, timeout=SECONDS)
        folders = [entry.partition("\n")[2] for entry in found.stdout.decode("utf-8", "replace").split("\0") if entry]
        done = git.script(_EMPTY, *folders[:_SUBMODULES], timeout=SECONDS)
    except (GitError, TimeoutError, OSError) as error:
        ctx.log("the submodules are not known", level="warning", error=str(error))
        return []
    return [folder for folder in done.stdout.decode("utf-8", "replace").split("\0") if folder]
