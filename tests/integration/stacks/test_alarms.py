"""The alarms and the dashboard: what the emulator takes, what the functions send, and what the documents say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sitewright.contracts.metrics import ANSWERED, MEASURES, PUBLISHED, WORKSPACE_ENDED
from sitewright.contracts.names import METRICS_NAMESPACE
from sitewright.contracts.site_config import SiteConfigError
from tests.support.stacks.synthesized_templates import PLATFORM, Template, of_type

REPO = Path(__file__).parents[3]
SENT = {(measure.name, measure.service, value) for measure in MEASURES for value in measure.values or (None,)}


def alarms(template: Template) -> dict[str, Any]:
    """Returns the alarms by their names in the code."""
    found = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            found[logical_id.removeprefix("Alarms")[:-8]] = resource["Properties"]
    return found


def board(template: Template) -> dict[str, Any]:
    """Returns the dashboard's body, with the logical id in place of each reference."""
    [properties] = of_type(template, "AWS::CloudWatch::Dashboard")
    parts = properties["DashboardBody"]["Fn::Join"][1]
    body: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else _id(part) for part in parts))
    return body


def _id(reference: dict[str, Any]) -> str:
    [value] = reference.values()
    return str(value if isinstance(value, str) else value[0])


def test_each_alarm_has_one_metric(templates: dict[str, Template]) -> None:
    for name, alarm in alarms(templates[PLATFORM]).items():
        assert "Metrics" not in alarm, f"{name}: MiniStack refuses an expression, AWS bills each of its metrics"
        assert alarm["TreatMissingData"] == "notBreaching"


def test_each_alarm_has_a_row_that_says_what_to_do(templates: dict[str, Template]) -> None:
    text = (REPO / "docs/operations.md").read_text()
    section = text.split("## Alarms", 1)[1].split("\n## ", 1)[0]
    rows = [row for row in section.splitlines() if row.startswith("| `")]
    assert set(alarms(templates[PLATFORM])) == {
        name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }


def test_an_alarm_watches_what_a_function_sends(templates: dict[str, Template]) -> None:
    own = [alarm for alarm in alarms(templates[PLATFORM]).values() if alarm["Namespace"] == METRICS_NAMESPACE]
    assert len(own) == 3
    for alarm in own:
        assert (alarm["MetricName"], alarm["Dimensions"][0]["Value"], None) in SENT


def test_the_dashboard_draws_every_metric_that_a_function_sends(templates: dict[str, Template]) -> None:
    drawn = set()
    for widget in board(templates[PLATFORM])["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == METRICS_NAMESPACE:
                names = [part for part in metric[1:] if isinstance(part, str)]
                drawn.add((names[0], names[2], names[4] if len(names) > 3 else None))
    assert drawn == SENT


def test_each_table_reads_the_log_of_the_function_that_writes_the_line(templates: dict[str, Template]) -> None:
    writers = {ANSWERED: "Respond", PUBLISHED: "RecordSync", WORKSPACE_ENDED: "TaskStopped"}
    queries = [w["properties"]["query"] for w in board(templates[PLATFORM])["widgets"] if w["type"] == "log"]
    assert queries
    for query in queries:
        [line] = re.findall(r"message = '([^']+)'", query)
        assert query.startswith(f"SOURCE '{writers[line]}Log")
        assert "by clientId" in query


@pytest.mark.parametrize("amount", ["a lot", True, 0, -1, [50]])
def test_a_threshold_that_is_no_amount_is_refused(synthesis: Any, amount: Any) -> None:
    from stacks.platform.observability.alarms import dollars_a_day

    with pytest.raises(SiteConfigError, match="alarmDailyUsd"):
        dollars_a_day(amount)
    assert dollars_a_day(12) == 12.0


def test_alarms_are_mailed_where_there_is_an_address(
    synthesis: Any, templates: dict[str, Template], tmp_path: Path
) -> None:
    mailing = synthesis.platform_with_alarm_mail(tmp_path / "cdk", "ops@example.com")
    [subscription] = of_type(mailing, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")
    alarms = of_type(mailing, "AWS::CloudWatch::Alarm")
    assert alarms and all(len(alarm["AlarmActions"]) == 1 for alarm in alarms)
    silent = of_type(templates[PLATFORM], "AWS::CloudWatch::Alarm")
    assert len(silent) == len(alarms) and not any("AlarmActions" in alarm for alarm in silent)
