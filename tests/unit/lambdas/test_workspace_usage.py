"""A stopped workspace's cold start and billed seconds, from recorded ECS events."""

from lambdas.task_stopped.workspace_usage import billed, start_of

DETAIL = {
    "createdAt": "2026-03-02T10:00:00.100Z",
    "pullStartedAt": "2026-03-02T10:00:10.000Z",
    "startedAt": "2026-03-02T10:00:50.600Z",
    "stoppedAt": "2026-03-02T10:02:10.000Z",
    "cpu": "2048",
    "memory": "4096",
}


def test_a_cold_start_lasts_until_the_container_runs() -> None:
    assert [one.value for one in start_of(DETAIL)] == [50.5]


def test_fargate_bills_from_the_pull_on() -> None:
    assert billed(DETAIL) == {"workspaceSeconds": 120.0, "vcpuSeconds": 240.0, "gbSeconds": 480.0}


def test_a_workspace_that_never_ran_has_neither() -> None:
    never = {"createdAt": DETAIL["createdAt"], "stoppedAt": DETAIL["stoppedAt"], "cpu": "2048", "memory": "4096"}
    assert start_of(never) == []
    assert billed(never) == {}
