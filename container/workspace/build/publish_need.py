"""Decides whether a command has anything to publish.

A command that changed nothing publishes nothing, whatever is live: a question gets its answer without a build. One edit
of the session may still wait for its publish, and no later command would bring it: then this one does.
"""

from collections.abc import Callable

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.error_sources import ErrorSource
from sitewright.contracts.records import CommandRecord

LOOKED_BACK = 10
"""How many commands of the session are looked at, the newest first."""


def has_nothing_to_publish(command: CommandRecord, earlier: Callable[[str], CommandRecord | None]) -> bool:
    """Returns whether the command changed no file, and no earlier edit of the session waits for its publish.

    `earlier` reads a command of the session by its id; None if there is none any more.
    """
    if command.agent is None or _edited(command):
        return False
    before: CommandRecord | None = command
    for _ in range(LOOKED_BACK):
        before = earlier(before.supersedes) if before is not None and before.supersedes is not None else None
        if before is None:
            return True
        if waits(before):
            return False
        if before.build is not None and before.interruption is None:
            # It came to an end of its own, and so did what was before it.
            return True
    return True


def waits(command: CommandRecord) -> bool:
    """Returns whether an edit of a command is no more live than before it, although nothing is wrong with it. Pure.

    It was interrupted, S3 refused the publish, or the run ended between the edit and the build: no workspace could be
    started. Or the judge refused it, or the git host would have: what the build reads may answer again, or the command
    allows it. A build that failed would fail again.
    """
    build, saved = command.build, command.interruption
    if build is not None and build.deploy_success:
        return False
    if saved is not None:
        # Where the run was stopped before a workspace had the step, the interruption names no file.
        return bool(saved.files_changed) or _edited(command)
    if build is None:
        return _edited(command)
    if build.skipped:
        return False
    error = build.error
    if build.build_success or error is None:
        return build.build_success
    return error.code is ErrorCode.PUBLISH_FAILED or error.code.reporter is ErrorSource.HOST


def _edited(command: CommandRecord) -> bool:
    return any(part is not None and part.files_changed_count > 0 for part in (command.agent, command.repair))
