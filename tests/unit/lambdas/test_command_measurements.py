"""The metrics of an answered command: bounded in number, complete in what the dashboard and the alarms need."""

import json
from typing import Any

import pytest

from lambdas.common.measurements import Measurement, send
from lambdas.respond.command_measurements import measurements_of
from lambdas.respond.outcome import Outcome, build_response
from sitewright.contracts import metrics
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import AgentResult, BuildResult, PushResult, RepairResult

COMMAND = CommandRecord(
    client_id="amelia",
    session_id="s",
    command_id="c",
    accepted_at=1_000_000,
    agent=AgentResult(cost_usd=0.25, seconds=20.0),
    repair=RepairResult(cost_usd=0.05, seconds=4.0),
    build=BuildResult(uploaded=3, deleted=2, seconds={"install": 1.0, "build": 2.5}),
    push=PushResult(seconds=0.5),
)


def measured(
    status: ResponseStatus, command: CommandRecord = COMMAND, **outcome: Any
) -> dict[tuple[str, str | None], float]:
    response = build_response(command, Outcome(status, **outcome), 1_030_000)
    return {(one.of.name, one.at): one.value for one in measurements_of(command, response)}


def test_a_command_counts_with_its_steps_its_files_and_its_dollars() -> None:
    assert measured(ResponseStatus.SUCCEEDED) == {
        ("CommandSeconds", "succeeded"): 30.0,
        ("Failed", None): 0.0,
        ("ModelDollars", None): 0.3,
        ("PublishedFiles", None): 5,
        ("StepSeconds", "agent"): 20.0,
        ("StepSeconds", "repair"): 4.0,
        ("StepSeconds", "build"): 3.5,
        ("StepSeconds", "push"): 0.5,
    }


@pytest.mark.parametrize(
    ("status", "failed"),
    [(ResponseStatus.FAILED, 1.0), (ResponseStatus.TIMED_OUT, 1.0), (ResponseStatus.INTERRUPTED, 0.0)],
)
def test_failures_and_timeouts_count_as_failed(status: ResponseStatus, failed: float) -> None:
    assert measured(status)["Failed", None] == failed


def test_a_command_without_room_for_its_workspace_counts_for_the_alarm() -> None:
    error = ErrorInfo.of(ErrorCode.NO_CAPACITY, "full")
    assert measured(ResponseStatus.FAILED, error=error)["NoCapacity", None] == 1.0
    assert ("NoCapacity", None) not in measured(ResponseStatus.FAILED)


def test_a_rejected_message_is_no_command_that_could_fail() -> None:
    error = ErrorInfo.of(ErrorCode.INVALID_MESSAGE, "no instruction")
    command = CommandRecord(session_id="s", command_id="c", accepted_at=1_000_000, rejection=error)
    assert measured(ResponseStatus.REJECTED, command, error=error) == {("CommandSeconds", "rejected"): 0.0}


def test_no_dimension_has_a_value_for_each_client(capsys: pytest.CaptureFixture[str]) -> None:
    response = build_response(COMMAND, Outcome(ResponseStatus.SUCCEEDED), 1_030_000)
    send(measurements_of(COMMAND, response))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    known = {measure.name: measure for measure in metrics.MEASURES}
    for line in lines:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]:
            measure = known[metric["Name"]]
            expected = {measure.dimension} if measure.dimension else set()
            assert {name for names in directive["Dimensions"] for name in names} - {"service"} == expected
            assert not measure.dimension or line[measure.dimension] in measure.values


def test_values_with_the_same_dimensions_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    send([Measurement(metrics.FAILED, 1.0), Measurement(metrics.MODEL_DOLLARS, 0.5)])
    [line] = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["Failed"], json.loads(line)["ModelDollars"]) == ([1.0], [0.5])


def test_all_metrics_together_stay_cheap() -> None:
    dollars_a_month = 0.30 * sum(measure.series for measure in metrics.MEASURES)
    assert dollars_a_month <= 5.0
