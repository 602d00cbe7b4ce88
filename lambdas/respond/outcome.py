"""Derives a command's outcome from its ended run, and the response from the outcome. Pure."""

import json
from dataclasses import dataclass

from pydantic import ValidationError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo, SfnError
from sitewright.contracts.messages import MAX_FILES_LISTED, Response, ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import BuildResult, RepairResult

MAX_BODY_BYTES = 200_000
MAX_ITEM_BYTES = 380_000
"""Maximum size of the command's record with the response, as JSON. The item's limit is 400 KB.

A record as JSON is no smaller than its item.
"""

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


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its status, and the error if it failed."""

    status: ResponseStatus
    error: ErrorInfo | None = None


def of_execution(status: str, error: str | None, cause: str | None, superseded_by: str | None) -> Outcome:
    """Returns the outcome of a run, by its final status (`SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`), error and cause."""
    if status == "SUCCEEDED":
        return Outcome(ResponseStatus.SUCCEEDED)
    if error == SfnError.INTERRUPTED or (status == "ABORTED" and superseded_by):
        return Outcome(ResponseStatus.INTERRUPTED)
    if status == "ABORTED":
        message = "the run was stopped by hand" + (f": {cause}" if cause else "")
        return Outcome(ResponseStatus.INTERRUPTED, ErrorInfo.of(ErrorCode.RUN_STOPPED, message))
    if status == "TIMED_OUT":
        return Outcome(
            ResponseStatus.TIMED_OUT, ErrorInfo.of(ErrorCode.RUN_TIMED_OUT, "the run took longer than it may")
        )
    if error == "States.Timeout":
        info = ErrorInfo.of(ErrorCode.RUN_TIMED_OUT, "a step did not end in time")
        return Outcome(ResponseStatus.TIMED_OUT, info)
    if error == "States.HeartbeatTimeout":
        message = "the workspace gave no sign of life, and neither did the fresh ones that were started after it"
        return Outcome(ResponseStatus.FAILED, ErrorInfo.of(ErrorCode.WORKSPACE_CRASHED, message))
    info = _cause(error, cause)
    timed_out = info.code == ErrorCode.AGENT_TIMED_OUT
    return Outcome(ResponseStatus.TIMED_OUT if timed_out else ResponseStatus.FAILED, info)


def _cause(error: str | None, cause: str | None) -> ErrorInfo:
    try:
        return ErrorInfo.model_validate_json(cause or "")
    except ValidationError:
        pass
    if error == SfnError.BUSY:
        return ErrorInfo.of(ErrorCode.WORKSPACE_BUSY, cause or "another workspace held the session")
    if error == SfnError.NO_CAPACITY:
        return ErrorInfo.of(ErrorCode.NO_CAPACITY, f"no workspace could be started within the time for it: {cause}")
    try:
        data = json.loads(cause or "")
        text = str(data["errorMessage"]) if isinstance(data, dict) and "errorMessage" in data else str(cause)
    except ValueError:
        text = cause or "no cause was given"
    return ErrorInfo.of(ErrorCode.INTERNAL, f"{error or 'unknown error'}: {text}")


def build_response(command: CommandRecord, outcome: Outcome, now: int) -> Response:
    """Returns the response to a command, by its record and its outcome. `now` is in ms since the epoch."""
    agent, build, push, saved = command.agent, command.build, command.push, command.interruption
    work = [part for part in (agent, command.repair) if part]
    changed = sorted({path for part in work for path in part.files_changed})
    files = saved.files_changed if saved and saved.files_changed else changed
    count = max(len(files), *(part.files_changed_count for part in work), 0)
    commit, pushed = None, False
    if build and build.commit:
        commit = build.commit
    if saved and saved.commit:
        commit, pushed = saved.commit, saved.pushed
    if push and push.commit:
        commit, pushed = push.commit, push.pushed
    error = outcome.error
    if outcome.status is ResponseStatus.SUCCEEDED:
        # An error of a published build (the invalidation failed) is less urgent than a push that a person has to repair.
        unpublished = build.error if build and not build.deploy_success else None
        unprepared = command.prepared.error if command.prepared else None
        error = (
            unprepared
            or unpublished
            or (push.error if push else None)
            or (build.error if build else None)
            or _unchecked(command)
        )
    response = Response(
        client_id=command.client_id,
        session_id=command.session_id if command.original_session_id is None else command.original_session_id,
        command_id=command.command_id if command.original_command_id is None else command.original_command_id,
        timestamp=now,
        success=outcome.status is ResponseStatus.SUCCEEDED,
        status=outcome.status,
        summary="\n\n".join(
            part for part in (_summary(command, outcome, error), *_notes(command, outcome, error)) if part
        ),
        files_changed=files[:MAX_FILES_LISTED],
        files_changed_count=count,
        site_url=command.site_url,
        commit=commit,
        pushed=pushed,
        build_success=_built(command),
        deploy_success=_deployed(build) if build else None,
        pages_removed=build.pages_removed if build else [],
        pages_removed_count=build.pages_removed_count if build else 0,
        error=error,
        cost_usd=command.cost_usd,
        duration_ms=max(0, now - command.accepted_at) if outcome.status is not ResponseStatus.REJECTED else None,
        superseded_by=command.superseded_by if outcome.status is ResponseStatus.INTERRUPTED else None,
        covers=command.covers or [],
    )
    return fitted(response, min(MAX_BODY_BYTES, MAX_ITEM_BYTES - _size(command)))


def _built(command: CommandRecord) -> bool | None:
    build = command.build
    if build is None:
        return command.prepared.build_success if command.prepared else None
    return None if build.skipped and build.deployment_id is None else build.build_success


def _deployed(build: BuildResult) -> bool | None:
    if build.skipped:
        # The site is as it was: live, unless nothing is.
        return True if build.deployment_id is not None else None
    return build.deploy_success if build.build_success or build.deploy_success else None


def fitted(response: Response, limit: int) -> Response:
    """Shortens the response to at most `limit` bytes of JSON: removes files first, then text of the summary.

    The other fields (ids, an error's text) have bounds of their own and are never shortened. So the response may exceed a
    limit below those bounds.
    """
    while _size(response) > limit and response.files_changed:
        files = response.files_changed[: len(response.files_changed) // 2]
        response = response.model_copy(update={"files_changed": files})
    while _size(response) > limit and response.summary:
        half = response.summary[: max(0, len(response.summary) // 2 - 1)]
        response = response.model_copy(update={"summary": f"{half}…" if half else ""})
    return response


def _size(model: CommandRecord | Response) -> int:
    return len(model.to_json().encode())


def _unchecked(command: CommandRecord) -> ErrorInfo | None:
    """Returns an error if record_sync failed. The run then goes on to Push, so only the missing result shows the failure."""
    if command.build is None or not command.build.deploy_success or command.sync is not None:
        return None
    message = "the site is live, but the check of what was published did not come to an end"
    return ErrorInfo.of(ErrorCode.SYNC_CHECK_FAILED, message)


def _summary(command: CommandRecord, outcome: Outcome, error: ErrorInfo | None) -> str:
    said = command.agent.summary if command.agent else ""
    if command.prepared:
        said = PREPARED if command.prepared.build_success else PREPARED_UNBUILT
    match outcome.status:
        case ResponseStatus.SUCCEEDED:
            return "\n\n".join(part for part in (said, *_published(command)) if part)
        case ResponseStatus.INTERRUPTED if command.superseded_by:
            return f"Interrupted by {command.superseded_by}; {_kept(command)}."
        case ResponseStatus.INTERRUPTED:
            return f"The run was stopped; {_kept(command)}."
        case ResponseStatus.REJECTED:
            return f"Not accepted: {error.message}" if error else "Not accepted."
        case ResponseStatus.TIMED_OUT:
            return f"It took too long and was ended; {_kept(command)}."
        case _:
            return f"It failed: {error.message}" if error else "It failed."


def _kept(command: CommandRecord) -> str:
    """Describes whether the work of an interrupted run is kept, for the summary.

    Without a record of the interruption it is unknown whether there was any work.
    """
    saved = command.interruption
    nothing = saved is not None and not saved.files_changed
    return "no file had been changed yet" if nothing else "what was done so far is kept"


def _published(command: CommandRecord) -> list[str]:
    """Describes the result for the site, unless the site is simply live."""
    build = command.build
    refused = build is not None and build.is_refused
    said = _repaired(command.repair, built=bool(build and build.build_success and not refused), refused=refused)
    if build is None:
        return said
    if build.skipped:
        return [*said, UNCHANGED] if build.deployment_id is not None else said
    if build.is_refused:
        return [*said, "The site was built, but not published: it would have become worse. It stays as it was."]
    if build.error is not None and build.error.code is ErrorCode.LIVE_CONFLICT:
        return [*said, CONTRADICTED]
    if not build.build_success:
        return [*said, "The site could not be built and stays as it was."]
    return [*said, *(_removed(build) if build.deploy_success else ["The site could not be published."])]


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
        return [f"{failed}, and {'its repair failed' if refused else 'so did its repair'}: {repair.error.message}"]
    did = "did not help" if repair.changed else "found nothing to change"
    return [f"{failed}, and its repair {did}. {repair.summary}".strip()]


def _notes(command: CommandRecord, outcome: Outcome, error: ErrorInfo | None) -> list[str]:
    """Returns notes for the response of any outcome: a lost checkpoint, and the tasks of the site's operator."""
    if outcome.status is ResponseStatus.REJECTED:
        return []
    notes = [CHECKPOINT_LOST] if command.lost_checkpoint else []
    went_on = outcome.status in {ResponseStatus.SUCCEEDED, ResponseStatus.INTERRUPTED} and outcome.error is None
    if command.covers and command.agent is None and not went_on:
        notes.insert(0, COVERED_UNDONE)
    push = command.push.error if command.push else None
    if push is not None and push != error:
        # The response has only one error, which is the build's. A note tells the branch of the commits.
        notes.append(f"Note: {push.message} {push.remedy}")
    return notes + [f"Note: {note}" for note in (command.build.notes if command.build else [])]
