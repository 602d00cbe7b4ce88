"""Writes the summary of a response: for the client, in plain words. Pure.

It says what was done, what of it is live and what is saved in git. The detail of an error is in `error` alone.
"""

from collections.abc import Iterator

from lambdas.respond.client_words import told
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import BuildResult, RepairResult

PREPARED = "The workspace is ready."
PREPARED_UNBUILT = "The workspace is ready, but the site cannot be built as it is."
UNCHANGED = "Nothing had to be built: the site is live as it is."
CONTRADICTED = "Another change of the site contradicts this edit, so the site stays as it was."
COMBINED = "Another change of the site went live meanwhile, and was combined with this edit."
COVERED_UNDONE = "What the interrupted messages before it asked for is not done either."
CHECKPOINT_LOST = (
    "(The saved state of this conversation was damaged: what had not been pushed is lost, and the work went on from what "
    "the git host has.)"
)

LIVE_ONLY = "Live, not saved in git"
SAVED_ONLY = "Saved, not live"
NEITHER = "Neither live nor saved in git"

KEPT = "The change is kept, and is saved with the next message that succeeds."


def summary_of(
    command: CommandRecord, status: ResponseStatus, error: ErrorInfo | None, *, pushed: bool, live: bool
) -> str:
    """Returns the summary. `pushed`: the git host has the commit. `live`: visitors see the command's site."""
    parts = (_said(command, status, error, pushed=pushed, live=live), *_notes(command, status, error))
    return "\n\n".join(part for part in parts if part)


def _said(command: CommandRecord, status: ResponseStatus, error: ErrorInfo | None, *, pushed: bool, live: bool) -> str:
    said = command.agent.summary if command.agent else ""
    if command.prepared:
        said = PREPARED if command.prepared.build_success else PREPARED_UNBUILT
    match status:
        case ResponseStatus.SUCCEEDED:
            return "\n\n".join(part for part in (said, *_published(command, error, pushed=pushed)) if part)
        case ResponseStatus.INTERRUPTED if command.superseded_by:
            return f"Interrupted by {command.superseded_by}; {_kept(command)}."
        case ResponseStatus.INTERRUPTED:
            return f"The run was stopped; {_kept(command)}."
        case ResponseStatus.REJECTED:
            return f"Not accepted: {error.message}" if error else "Not accepted."
        case _ if command.build is not None and not pushed:
            return "\n\n".join(part for part in (said, *_unsaved(command, error, live=live)) if part)
        case ResponseStatus.TIMED_OUT:
            return f"It took too long and was ended; {_kept(command)}."
        case _:
            return f"It failed: {told(error.code)}." if error else "It failed."


def _kept(command: CommandRecord) -> str:
    """Describes whether the work of an interrupted run is kept, for the summary.

    Without a record of the interruption it is unknown whether there was any work.
    """
    saved = command.interruption
    nothing = saved is not None and not saved.files_changed
    return "no file had been changed yet" if nothing else "what was done so far is kept"


def _unsaved(command: CommandRecord, error: ErrorInfo | None, *, live: bool) -> Iterator[str]:
    """Describes a run that ended after its build, and whose commits are not on the git host."""
    why = f": {told(error.code)}" if error else ""
    build = command.build
    if live:
        yield from _removed(build) if build and build.deploy_success else []
        yield f"{LIVE_ONLY}{why}. {KEPT}"
        return
    before = f" The site was not published: {told(build.error.code)}." if build and build.error else ""
    yield f"{NEITHER}{why}.{before} {KEPT}"


def _published(command: CommandRecord, error: ErrorInfo | None, *, pushed: bool) -> Iterator[str]:
    """Describes the result for the site, unless the site is simply live."""
    build = command.build
    refused = build is not None and build.is_refused
    yield from _repaired(command.repair, built=bool(build and build.build_success and not refused), refused=refused)
    if build is None:
        return
    if build.skipped:
        if build.deployment_id is not None:
            yield UNCHANGED
    elif build.deploy_success:
        yield from _removed(build)
    else:
        yield f"{SAVED_ONLY if pushed else 'Not live'}. {_unpublished(build)}"
    if command.push and command.push.error and command.push.error == error:
        yield _sentence(told(command.push.error.code))


def _unpublished(build: BuildResult) -> str:
    if build.is_refused:
        return "The site was built, but not published: it would have become worse. It stays as it was."
    if build.error is not None and build.error.code is ErrorCode.LIVE_CONFLICT:
        return CONTRADICTED
    if build.build_success:
        return "The site could not be published."
    if build.error is None or build.error.code is ErrorCode.BUILD_FAILED:
        return "The site could not be built and stays as it was."
    return _sentence(f"{told(build.error.code)}, so the site stays as it was")


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def _removed(build: BuildResult) -> list[str]:
    """Describes the pages that the publish removed."""
    count, names = build.pages_removed_count, build.pages_removed
    if not count:
        return []
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return [f"{count:,} {'page' if count == 1 else 'pages'} removed: {', '.join(names)}{more}."]


def _repaired(repair: RepairResult | None, *, built: bool, refused: bool) -> list[str]:
    if repair is None:
        return []
    if repair.merged:
        return [f"{COMBINED} {repair.summary}".strip()] if repair.changed else []
    failed = "The publish was refused" if refused else "The build failed"
    if built:
        return [f"The build failed at first and was repaired. {repair.summary}".strip()]
    if repair.error:
        also = "its repair failed" if refused else "so did its repair"
        return [f"{failed}, and {also}: {told(repair.error.code)}."]
    did = "did not help" if repair.changed else "found nothing to change"
    return [f"{failed}, and its repair {did}. {repair.summary}".strip()]


def _notes(command: CommandRecord, status: ResponseStatus, error: ErrorInfo | None) -> list[str]:
    """Returns notes for the response of any outcome: a lost checkpoint, and the tasks of the site's operator."""
    if status is ResponseStatus.REJECTED:
        return []
    notes = [CHECKPOINT_LOST] if command.lost_checkpoint else []
    went_on = status is ResponseStatus.SUCCEEDED or (status is ResponseStatus.INTERRUPTED and error is None)
    if command.covers and command.agent is None and not went_on:
        notes.insert(0, COVERED_UNDONE)
    push = command.push.error if command.push else None
    if push is not None and push != error:
        # The response has only one error, which is the build's. A note tells the branch of the commits.
        notes.append(f"Note: {push.message} {push.remedy}")
    return notes + [f"Note: {note}" for note in (command.build.notes if command.build else [])]
