"""The diagnosis of stopped tasks, on event shapes of the ECS documentation."""

from typing import Any

import pytest

from contracts.errors import ErrorCode, SfnError
from contracts.manifest import ASSET_GRACE_MS, Manifest, ManifestEntry
from contracts.steps import StepEnv
from lambdas.record_sync.books import check
from lambdas.task_stopped.diagnosis import diagnose, request_of


def event(stop_code: str, stopped_reason: str, **container: Any) -> dict[str, Any]:
    return {
        "stopCode": stop_code,
        "stoppedReason": stopped_reason,
        "containers": [{"name": "workspace", "lastStatus": "STOPPED", **container}],
    }


@pytest.mark.parametrize(
    ("detail", "error", "mentions"),
    [
        (
            event("EssentialContainerExited", "Essential container in task exited", exitCode=137),
            SfnError.CRASHED,
            "137",
        ),
        (
            event(
                "EssentialContainerExited",
                "Essential container in task exited",
                exitCode=137,
                reason="OutOfMemoryError: Container killed due to memory usage",
            ),
            SfnError.CRASHED,
            "memoryMib",
        ),
        (event("EssentialContainerExited", "Essential container in task exited", exitCode=1), SfnError.CRASHED, "log"),
        (
            event("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried"),
            SfnError.CANNOT_START,
            "CannotPull",
        ),
        (event("SpotInterruption", "Your Spot Task was interrupted.", exitCode=143), SfnError.STOPPED, "Spot"),
        (event("UserInitiated", "Task stopped by user", exitCode=143), SfnError.STOPPED, "somebody"),
        (event("ServiceSchedulerInitiated", "maintenance", exitCode=137), SfnError.STOPPED, "maintenance"),
    ],
)
def test_each_kind_of_end(detail: dict[str, Any], error: SfnError, mentions: str) -> None:
    diagnosis = diagnose(detail)
    assert diagnosis is not None
    assert diagnosis.error is error
    assert mentions in diagnosis.info.message
    assert diagnosis.info.remedy
    assert diagnosis.info.code in {ErrorCode.WORKSPACE_CRASHED, ErrorCode.WORKSPACE_CANNOT_START}


def test_a_workspace_that_reported_needs_no_diagnosis() -> None:
    assert diagnose(event("EssentialContainerExited", "Essential container in task exited", exitCode=0)) is None


def test_the_step_is_read_from_the_overrides() -> None:
    env = {
        StepEnv.STEP: "build",
        StepEnv.TASK_TOKEN: "t",
        StepEnv.SESSION_ID: "s",
        StepEnv.COMMAND_ID: "c",
        StepEnv.GENERATION: "3",
    }
    pairs = [{"name": name.value, "value": value} for name, value in env.items()]
    detail = {"overrides": {"containerOverrides": [{"name": "workspace", "environment": pairs}]}}
    request = request_of(detail)
    assert request is not None
    assert (request.step, request.generation) == ("build", 3)
    assert request_of({"overrides": {"containerOverrides": [{"name": "other"}]}}) is None


def entry(**changes: Any) -> ManifestEntry:
    base = {"md5": "a", "size": 1, "content_type": "text/html", "cache_control": "x"}
    return ManifestEntry.model_validate({**base, **changes})


def test_drift_is_what_is_missing_changed_or_nobodys() -> None:
    files = {"same": entry(), "gone": entry(), "changed": entry()}
    books = check(
        Manifest(client_id="c", deployment_id="d", created_at=0, files=files),
        {"same": ("a", 1), "changed": ("b", 1), "new": ("z", 9)},
        now=0,
    )
    assert books.drift == ["changed", "gone", "new"]
    assert books.manifest.reconcile


def test_a_retired_asset_is_due_after_its_grace() -> None:
    files = {"old": entry(retired_at=0), "young": entry(retired_at=1)}
    manifest = Manifest(client_id="c", deployment_id="d", created_at=0, files=files)
    books = check(manifest, {"old": ("a", 1), "young": ("a", 1)}, now=ASSET_GRACE_MS)
    assert (books.expiring, books.due, books.drift) == (2, 1, [])
    assert books.manifest.files["old"].due
    assert not books.manifest.files["young"].due
