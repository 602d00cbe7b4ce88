"""What the emulator is given of AWS's callback pattern: heartbeats, and the end of a stopped run's tokens."""

import threading
import time
from typing import Any

import pytest
from ministack.services import s3, stepfunctions  # type: ignore[import-untyped]

from sitewright.local.emulator import callbacks, old_versions
from sitewright.local.emulator.callbacks import STOPPED, TokenWatch


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def token() -> dict[str, Any]:
    return {"event": threading.Event(), "result": None, "error": None, "heartbeat": None}


def test_silence_ends_the_wait() -> None:
    info, clock = token(), Clock()
    watch = TokenWatch(info, 30, lambda: True, clock)
    clock.now = 29
    assert watch.check()
    clock.now = 31
    assert not watch.check()
    assert info["event"].is_set()
    assert info["error"]["Error"] == "States.HeartbeatTimeout"


def test_a_heartbeat_starts_the_clock_anew() -> None:
    info, clock = token(), Clock()
    watch = TokenWatch(info, 30, lambda: True, clock)
    clock.now, info["heartbeat"] = 29, "then"
    assert watch.check()
    clock.now = 58
    assert watch.check()
    clock.now = 60
    assert not watch.check()


def test_without_a_limit_only_the_end_of_the_run_counts() -> None:
    info, clock, running = token(), Clock(), [True]
    watch = TokenWatch(info, None, lambda: running[0], clock)
    clock.now = 10_000
    assert watch.check()
    running[0] = False
    assert not watch.check()
    assert info["error"]["Error"] == STOPPED


def test_an_answer_is_left_alone() -> None:
    info, clock = token(), Clock()
    watch = TokenWatch(info, 30, lambda: True, clock)
    info["event"].set()
    clock.now = 100
    assert not watch.check()
    assert info["error"] is None


def test_the_pause_before_a_run_is_left_out_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("time", "_apply_jsonata_arguments", "_invoke_with_callback"):
        monkeypatch.setattr(stepfunctions, name, getattr(stepfunctions, name))
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    callbacks.install(None)
    # The emulator's own code, up to its first look for the state machine.
    monkeypatch.setattr(stepfunctions, "_executions", {"run": {"stateMachineArn": "gone", "status": "RUNNING"}})
    monkeypatch.setattr(stepfunctions, "_fail_execution", lambda *_: None)
    stepfunctions._run_execution("run")
    assert slept == []
    stepfunctions.time.sleep(0.5)
    assert slept == [0.5]


@pytest.mark.parametrize(
    ("bucket", "kept"), [("sitewright-platform-storageartifacts08431d1f-a", []), ("edit.a.example.com", ["1", "2", ""])]
)
def test_older_versions_of_artifacts_are_forgotten_and_those_of_sites_are_not(
    monkeypatch: pytest.MonkeyPatch, bucket: str, kept: list[str]
) -> None:
    for name in ("_record_object_version", "_record_delete_marker"):
        monkeypatch.setattr(s3, name, getattr(s3, name))
    monkeypatch.setattr(s3, "_bucket_versioning", {bucket: "Enabled"})
    monkeypatch.setattr(s3, "_object_versions", {})
    old_versions.install()
    for etag in ("1", "2"):
        s3._record_object_version(bucket, "key", None, {"etag": etag, "size": 1, "last_modified": ""}, b"x")
    assert [version["etag"] for version in s3._object_versions[bucket, "key"]] == (kept[:2] or ["2"])
    s3._record_delete_marker(bucket, "key", None)
    assert [version["etag"] for version in s3._object_versions.get((bucket, "key"), [])] == kept
