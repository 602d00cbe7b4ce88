"""Outcomes of runs, and their responses."""

import pytest

from lambdas.respond.outcome import MAX_BODY_BYTES, Outcome, build_response, fitted, of_execution
from lambdas.respond.summary import CONTRADICTED
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import (
    AgentResult,
    BuildResult,
    Interruption,
    LostCheckpoint,
    PrepareResult,
    PushResult,
    RepairResult,
    StepName,
    SyncResult,
)

INFO = ErrorInfo.of(ErrorCode.GIT_AUTH_FAILED, "no")


@pytest.mark.parametrize(
    ("status", "error", "cause", "by", "expected", "code"),
    [
        ("SUCCEEDED", None, None, "c2", ResponseStatus.SUCCEEDED, None),
        ("ABORTED", "Superseded", "x", "c2", ResponseStatus.INTERRUPTED, None),
        ("ABORTED", None, "enough", None, ResponseStatus.INTERRUPTED, ErrorCode.RUN_STOPPED),
        ("FAILED", "Workspace.Interrupted", "", "c2", ResponseStatus.INTERRUPTED, None),
        ("TIMED_OUT", None, None, None, ResponseStatus.TIMED_OUT, ErrorCode.RUN_TIMED_OUT),
        ("FAILED", "States.Timeout", "", None, ResponseStatus.TIMED_OUT, ErrorCode.RUN_TIMED_OUT),
        ("FAILED", "States.HeartbeatTimeout", "", None, ResponseStatus.FAILED, ErrorCode.WORKSPACE_CRASHED),
        ("FAILED", "Step.Failed", INFO.to_json(), None, ResponseStatus.FAILED, ErrorCode.GIT_AUTH_FAILED),
        ("FAILED", "Lambda.Unknown", '{"errorMessage": "boom"}', None, ResponseStatus.FAILED, ErrorCode.INTERNAL),
        ("FAILED", "Workspace.Busy", "held", None, ResponseStatus.FAILED, ErrorCode.WORKSPACE_BUSY),
        ("FAILED", None, None, None, ResponseStatus.FAILED, ErrorCode.INTERNAL),
    ],
)
def test_the_status_of_an_ended_run(
    status: str, error: str | None, cause: str | None, by: str | None, expected: ResponseStatus, code: ErrorCode | None
) -> None:
    outcome = of_execution(status, error, cause, by)
    assert outcome.status is expected
    assert (outcome.error.code if outcome.error else None) == code


def test_a_preparation_says_whether_the_site_can_be_built() -> None:
    broken = ErrorInfo.of(ErrorCode.BUILD_FAILED, "no package.json")
    for prepared, says in ((PrepareResult(build_success=True), "ready."), (PrepareResult(error=broken), "cannot be")):
        response = build_response(record(prepare=True, prepared=prepared), Outcome(ResponseStatus.SUCCEEDED), 2000)
        assert says in response.summary
        assert (response.build_success, response.error) == (prepared.build_success, prepared.error)
        assert (response.success, response.deploy_success, response.pushed) == (True, None, False)


def record(**parts: object) -> CommandRecord:
    base = {"session_id": "s", "command_id": "c", "accepted_at": 1000, "site_url": "http://site"}
    return CommandRecord.model_validate({**base, **parts})


def test_a_failed_build_is_a_success_with_an_error() -> None:
    build = BuildResult(commit="abc", error=ErrorInfo.of(ErrorCode.BUILD_FAILED, "line 3"))
    command = record(agent=AgentResult(summary="Did it."), build=build, push=PushResult(commit="abc", pushed=True))
    response = build_response(command, of_execution("SUCCEEDED", None, None, None), 5000)
    assert response.success
    assert response.build_success is False
    assert response.deploy_success is None
    assert response.error is not None
    assert response.error.code == ErrorCode.BUILD_FAILED
    assert "stays as it was" in response.summary
    assert response.duration_ms == 4000


def test_an_interrupted_command_names_its_wip_commit_and_successor() -> None:
    saved = Interruption(step=StepName.AGENT, commit="wip", pushed=True, files_changed=["a", "b"])
    command = record(interruption=saved, superseded_by="c2")
    response = build_response(command, of_execution("ABORTED", None, None, "c2"), 5000)
    assert (response.commit, response.pushed, response.superseded_by) == ("wip", True, "c2")
    assert response.files_changed_count == 2
    assert not response.success
    assert response.summary == "Interrupted by c2; what was done so far is kept."


def test_a_command_names_the_ones_it_took_over_and_says_so_where_it_failed() -> None:
    done = record(agent=AgentResult(summary="Did both."), covers=["c0", "c1"])
    response = build_response(done, of_execution("SUCCEEDED", None, None, None), 5000)
    assert response.covers == ["c0", "c1"] and "not done either" not in response.summary
    failed = build_response(record(covers=["c0"]), of_execution("FAILED", "Step.Failed", INFO.to_json(), None), 5000)
    assert failed.covers == ["c0"] and "not done either" in failed.summary
    stopped = build_response(record(covers=["c0"]), of_execution("ABORTED", None, "enough", None), 5000)
    assert "not done either" in stopped.summary
    newer = record(covers=["c0"], superseded_by="c2")
    assert "not done either" not in build_response(newer, of_execution("ABORTED", None, None, "c2"), 5000).summary
    alone = build_response(record(), of_execution("FAILED", "Step.Failed", INFO.to_json(), None), 5000)
    assert alone.covers == [] and "not done either" not in alone.summary


def test_the_response_of_a_command_interrupted_before_its_first_edit_mentions_no_work() -> None:
    saved = Interruption(step=StepName.AGENT, commit="before")
    for superseded, begin in (("c2", "Interrupted by c2"), (None, "The run was stopped")):
        command = record(interruption=saved, superseded_by=superseded)
        response = build_response(command, of_execution("ABORTED", None, None, superseded), 5000)
        assert response.summary == f"{begin}; no file had been changed yet."
    # A workspace without a record of the interruption may have saved work.
    unknown = build_response(record(superseded_by="c2"), of_execution("ABORTED", None, None, "c2"), 5000)
    assert "what was done so far is kept" in unknown.summary


def test_a_response_fits_into_a_message() -> None:
    agent = AgentResult(files_changed=["x" * 900 + str(n) for n in range(1000)], files_changed_count=1000)
    response = build_response(record(agent=agent), of_execution("SUCCEEDED", None, None, None), 5000)
    assert len(response.to_json().encode()) <= MAX_BODY_BYTES
    assert response.files_changed_count == 1000


@pytest.mark.parametrize("limit", [100, 700, 3000])
@pytest.mark.parametrize("summary", ["", "ab", "ü" * 5000])
def test_a_response_is_cut_to_what_its_record_leaves(limit: int, summary: str) -> None:
    agent = AgentResult(summary=summary, files_changed=["x" * 90 + str(n) for n in range(50)], files_changed_count=50)
    response = build_response(record(agent=agent), of_execution("SUCCEEDED", None, None, None), 5000)
    cut = fitted(response, limit)
    assert len(cut.to_json().encode()) <= max(limit, 600)
    assert cut.files_changed_count == 50


def test_a_large_record_and_its_response_fit_into_one_item() -> None:
    agent = AgentResult(summary="ü" * 16_000, files_changed=["x" * 90 + str(n) for n in range(500)])
    command = record(instruction="i" * 256 * 1024, agent=agent)
    response = build_response(command, of_execution("SUCCEEDED", None, None, None), 5000)
    assert len(command.model_copy(update={"response": response}).to_json().encode()) < 400_000


PUBLISHED = BuildResult(commit="abc", build_success=True, deploy_success=True, deployment_id="d")


def test_a_failed_check_is_reported_although_the_run_succeeded() -> None:
    command = record(agent=AgentResult(summary="Did it."), build=PUBLISHED, push=PushResult(commit="abc", pushed=True))
    response = build_response(command, of_execution("SUCCEEDED", None, None, None), 5000)
    assert (response.status, response.success) == (ResponseStatus.SUCCEEDED, True)
    assert (response.build_success, response.deploy_success) == (True, True)
    assert response.error is not None
    assert response.error.code == ErrorCode.SYNC_CHECK_FAILED


def test_a_checked_site_has_no_error_and_a_push_conflict_comes_first() -> None:
    sync = SyncResult(deployment_id="d", files=1, bytes=1)
    done = of_execution("SUCCEEDED", None, None, None)
    assert build_response(record(build=PUBLISHED, sync=sync), done, 5000).error is None
    conflict = ErrorInfo.of(ErrorCode.PUSH_CONFLICT, "rescue/c")
    both = build_response(record(build=PUBLISHED, push=PushResult(error=conflict)), done, 5000)
    assert both.error == conflict


def test_a_refused_invalidation_is_reported_unless_there_is_a_push_conflict() -> None:
    not_told = ErrorInfo.of(ErrorCode.INVALIDATION_FAILED, "AccessDenied")
    build = PUBLISHED.model_copy(update={"error": not_told})
    done = of_execution("SUCCEEDED", None, None, None)
    response = build_response(record(build=build), done, 5000)
    assert (response.success, response.deploy_success, response.error) == (True, True, not_told)
    conflict = ErrorInfo.of(ErrorCode.PUSH_CONFLICT, "rescue/c")
    assert build_response(record(build=build, push=PushResult(error=conflict)), done, 5000).error == conflict
    failed = build.model_copy(update={"deploy_success": False})
    both = build_response(record(build=failed, push=PushResult(error=conflict)), done, 5000)
    assert both.error == not_told
    assert f"Note: {conflict.message} {conflict.remedy}" in both.summary, "where the commits went is told all the same"


DONE = of_execution("SUCCEEDED", None, None, None)
AGENT = AgentResult(summary="Did it.", files_changed=["b", "c"], files_changed_count=2, cost_usd=0.25)
REPAIR = RepairResult(
    summary="Closed a brace.", files_changed=["a", "b"], files_changed_count=2, cost_usd=0.125, changed=True
)
FAILED = BuildResult(commit="abc", error=ErrorInfo.of(ErrorCode.BUILD_FAILED, "line 3"))
SYNC = SyncResult(deployment_id="d", files=1, bytes=1)


def test_a_repaired_build_is_reported_and_summed_up() -> None:
    answer = build_response(record(agent=AGENT, repair=REPAIR, build=PUBLISHED, sync=SYNC), DONE, 5000)
    assert answer.summary == "Did it.\n\nThe build failed at first and was repaired. Closed a brace."
    assert (answer.files_changed, answer.files_changed_count, answer.cost_usd) == (["a", "b", "c"], 3, 0.375)
    assert (answer.build_success, answer.error) == (True, None)


@pytest.mark.parametrize(
    ("repair", "says"),
    [
        (REPAIR, "its repair did not help. Closed a brace."),
        (RepairResult(summary="It is the registry."), "its repair found nothing to change. It is the registry."),
        (
            RepairResult(error=ErrorInfo.of(ErrorCode.BUDGET_EXCEEDED, "Nothing is left.")),
            "so did its repair: the change would have cost more than one change may cost.",
        ),
    ],
)
def test_a_failed_repair_is_reported(repair: RepairResult, says: str) -> None:
    answer = build_response(record(agent=AGENT, repair=repair, build=FAILED), DONE, 5000)
    assert says in answer.summary and answer.summary.endswith("stays as it was.")
    assert answer.error == FAILED.error


def test_a_build_that_was_skipped_leaves_words_and_a_live_site() -> None:
    skipped = PUBLISHED.model_copy(update={"skipped": True})
    answer = build_response(record(agent=AgentResult(summary="All is well."), build=skipped, sync=SYNC), DONE, 5000)
    assert answer.summary == "All is well.\n\nNothing had to be built: the site is live as it is."
    assert (answer.build_success, answer.deploy_success, answer.error) == (True, True, None)


REFUSED = BuildResult(
    commit="abc", build_success=True, error=ErrorInfo.of(ErrorCode.PAGES_MISSING, "40 pages would vanish")
)


@pytest.mark.parametrize(
    ("repair", "says"),
    [
        (None, "Did it."),
        (RepairResult(summary="It is the feed."), "The publish was refused, and its repair found nothing to change."),
        (
            RepairResult(error=ErrorInfo.of(ErrorCode.BUDGET_EXCEEDED, "No.")),
            "refused, and its repair failed: the change",
        ),
    ],
)
def test_a_refused_publish_is_no_failed_build(repair: RepairResult | None, says: str) -> None:
    answer = build_response(record(agent=AGENT, repair=repair, build=REFUSED), DONE, 5000)
    assert says in answer.summary and answer.summary.endswith("It stays as it was.")
    assert (answer.success, answer.build_success, answer.deploy_success) == (True, True, False)
    assert answer.error == REFUSED.error and "--allow pages_missing" in REFUSED.error.remedy


def test_an_answer_says_which_pages_went() -> None:
    build = PUBLISHED.model_copy(update={"pages_removed": ["/a/", "/b.html"], "pages_removed_count": 41})
    answer = build_response(record(agent=AGENT, build=build, sync=SYNC), DONE, 5000)
    assert answer.summary == "Did it.\n\n41 pages removed: /a/, /b.html and 39 more."
    assert (answer.pages_removed, answer.pages_removed_count) == (["/a/", "/b.html"], 41)
    one = PUBLISHED.model_copy(update={"pages_removed": ["/a/"], "pages_removed_count": 1})
    assert build_response(record(build=one, sync=SYNC), DONE, 5000).summary == "1 page removed: /a/."


def test_a_question_leaves_the_site_live_or_untried_as_it_was() -> None:
    asked = AgentResult(summary="From nine to five.")
    skipped = BuildResult(commit="abc", build_success=True, skipped=True, deployment_id="d")
    answer = build_response(record(agent=asked, build=skipped), DONE, 5000)
    assert answer.summary == "From nine to five.\n\nNothing had to be built: the site is live as it is."
    assert (answer.build_success, answer.deploy_success, answer.error) == (True, True, None)
    nothing_live = skipped.model_copy(update={"deployment_id": None})
    answer = build_response(record(agent=asked, build=nothing_live), DONE, 5000)
    assert answer.summary == "From nine to five."
    assert (answer.build_success, answer.deploy_success, answer.error) == (None, None, None)


def test_an_edit_that_contradicts_what_is_live_says_so_and_one_that_was_combined_too() -> None:
    conflict = ErrorInfo.of(ErrorCode.LIVE_CONFLICT, "in: index.html")
    answer = build_response(record(agent=AGENT, build=BuildResult(commit="abc", error=conflict)), DONE, 5000)
    assert answer.summary.endswith("contradicts this edit, so the site stays as it was.")
    assert (answer.error, answer.build_success, answer.deploy_success) == (conflict, False, None)
    combined = RepairResult(merged=True, changed=True, summary="I kept both.")
    answer = build_response(record(agent=AGENT, repair=combined, build=PUBLISHED, sync=SYNC), DONE, 5000)
    assert answer.summary.endswith("was combined with this edit. I kept both.") and answer.error is None
    no_time = RepairResult(merged=True, error=ErrorInfo.of(ErrorCode.AGENT_TIMED_OUT, "Nothing is left."))
    answer = build_response(
        record(agent=AGENT, repair=no_time, build=BuildResult(commit="abc", error=conflict)), DONE, 5000
    )
    assert answer.summary == f"{AGENT.summary}\n\nNot live. {CONTRADICTED}", "no build failed"


@pytest.mark.parametrize("code", [ErrorCode.LIVE_UNREACHABLE, ErrorCode.PUBLISH_FAILED])
def test_an_edit_that_was_not_built_because_of_what_is_live_is_not_said_to_break_the_build(code: ErrorCode) -> None:
    build = BuildResult(commit="abc", error=ErrorInfo.of(code, "no answer"))
    answer = build_response(record(agent=AGENT, build=build), DONE, 5000)
    assert answer.summary.endswith("so the site stays as it was.") and "built" not in answer.summary


def test_notes_for_the_operator_come_last() -> None:
    build = PUBLISHED.model_copy(update={"notes": ["package-lock.json does not fit package.json."]})
    answer = build_response(record(agent=AGENT, build=build, sync=SYNC), DONE, 5000)
    assert answer.summary == "Did it.\n\nNote: package-lock.json does not fit package.json."


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_a_lost_checkpoint_is_reported_for_every_outcome(status: str) -> None:
    command = record(agent=AGENT, lost_checkpoint=LostCheckpoint(key="k", reason="zstd"))
    answer = build_response(command, of_execution(status, None, None, None), 5000)
    assert "what had not been pushed is lost" in answer.summary


def test_a_large_record_with_a_repair_fits_into_one_item() -> None:
    files = ["x" * 90 + str(n) for n in range(500)]
    command = record(
        instruction="i" * 256 * 1024,
        agent=AgentResult(summary="s" * 2_000, files_changed=files),
        repair=RepairResult(summary="s" * 2_000, files_changed=files[:100]),
    )
    assert len(command.model_copy(update={"response": build_response(command, DONE, 1)}).to_json().encode()) < 400_000


RAW = "remote: error: GH013: Repository rule violations found\n ! [remote rejected] (pre-receive hook declined)"


@pytest.mark.parametrize(
    ("build", "says", "live"),
    [
        (PUBLISHED, "Live, not saved in git: the git host did not accept it.", True),
        (FAILED, "Neither live nor saved in git: the git host did not accept it. The site was not published", None),
    ],
)
def test_a_failed_push_says_what_is_live_and_what_is_saved(build: BuildResult, says: str, live: bool | None) -> None:
    error = ErrorInfo.of(ErrorCode.PUSH_FAILED, RAW)
    failed = of_execution("FAILED", "Step.Failed", error.to_json(), None)
    answer = build_response(record(agent=AGENT, build=build, sync=SYNC), failed, 5000)
    assert answer.summary.startswith(f"Did it.\n\n{says}") and "is kept" in answer.summary
    assert "remote" not in answer.summary and answer.error == error, "the host's words are in the error alone"
    assert (answer.success, answer.pushed, answer.deploy_success) == (False, False, live)


def test_a_push_that_took_too_long_leaves_the_edit_live() -> None:
    timed_out = of_execution("FAILED", "States.Timeout", "", None)
    answer = build_response(record(agent=AGENT, build=PUBLISHED, sync=SYNC), timed_out, 5000)
    assert answer.status is ResponseStatus.TIMED_OUT and "Live, not saved in git" in answer.summary


def test_an_edit_that_is_saved_and_not_live_says_so() -> None:
    push = PushResult(commit="abc", branch="thread-t", pushed=True)
    for build in (FAILED, REFUSED, PUBLISHED.model_copy(update={"deploy_success": False})):
        answer = build_response(record(agent=AGENT, build=build, push=push), DONE, 5000)
        assert answer.summary.startswith("Did it.\n\nSaved, not live. "), answer.summary
        assert "line 3" not in answer.summary


def test_a_conflict_with_somebody_elses_push_is_told_in_plain_words() -> None:
    conflict = ErrorInfo.of(ErrorCode.PUSH_CONFLICT, "The commits conflict with those on thread-t and are on rescue/c.")
    push = PushResult(commit="abc", branch="rescue/c", pushed=True, error=conflict)
    answer = build_response(record(agent=AGENT, build=PUBLISHED, sync=SYNC, push=push), DONE, 5000)
    assert answer.summary == ("Did it.\n\nSomebody else changed the same lines, so it was saved beside their work.")


def test_a_failed_agent_is_told_in_plain_words() -> None:
    error = ErrorInfo.of(ErrorCode.AGENT_FAILED, "Traceback (most recent call last):")
    answer = build_response(record(), of_execution("FAILED", "Step.Failed", error.to_json(), None), 5000)
    assert answer.summary == "It failed: the assistant stopped before it was done."
