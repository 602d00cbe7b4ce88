"""How a run's end becomes a response."""

import pytest

from contracts.errors import ErrorCode, ErrorInfo
from contracts.messages import ResponseStatus
from contracts.records import CommandRecord
from contracts.steps import AgentResult, BuildResult, Interruption, PushResult, StepName
from lambdas.respond.outcome import MAX_BODY_BYTES, build_response, of_execution

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


def record(**parts: object) -> CommandRecord:
    base = {"session_id": "s", "command_id": "c", "accepted_at": 1000, "site_url": "http://site"}
    return CommandRecord.model_validate({**base, **parts})


def test_a_failed_build_is_a_success_that_says_so() -> None:
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


def test_a_response_fits_into_a_message() -> None:
    agent = AgentResult(files_changed=["x" * 900 + str(n) for n in range(1000)], files_changed_count=1000)
    response = build_response(record(agent=agent), of_execution("SUCCEEDED", None, None, None), 5000)
    assert len(response.to_json().encode()) <= MAX_BODY_BYTES
    assert response.files_changed_count == 1000
