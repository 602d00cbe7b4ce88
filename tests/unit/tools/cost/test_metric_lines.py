"""Custom metrics, counted from the log of a run."""

import json

from tools.cost.metric_lines import metrics_in


def line(names: list[str], **dimensions: str) -> str:
    directive = {"Namespace": "n", "Dimensions": [list(dimensions)], "Metrics": [{"Name": name} for name in names]}
    return json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, **dimensions})


def test_a_metric_counts_once_for_each_of_its_dimensions_values() -> None:
    agent, build = line(["Seconds"], step="agent"), line(["Seconds"], step="build")
    assert metrics_in([agent, build, agent]) == 2


def test_each_name_of_a_line_is_a_metric() -> None:
    assert metrics_in([line(["Failed", "Dollars"], service="respond")]) == 2


def test_other_lines_are_none() -> None:
    assert metrics_in(["START RequestId: 1", "[]", '{"message": "answered"}']) == 0
