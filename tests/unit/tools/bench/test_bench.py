"""The breakdown of a command's time, from records as a run writes them."""

from typing import Any

import pytest

from sitewright.local.errors import BadSetting
from sitewright.local.stack.site_entries import idle_seconds
from tools.bench.container_starts import summary
from tools.bench.interrupt_latency import Interrupt, statistics
from tools.bench.time_breakdown import medians, parts

LOG: list[dict[str, Any]] = [
    {"time": "1970-01-01T00:00:02.000+00:00", "message": "workspace ready", "step": "agent", "seconds": 0.3},
    {"time": "1970-01-01T00:00:04.000+00:00", "message": "step done", "step": "agent", "result": {"seconds": 1.5}},
    {"time": "1970-01-01T00:00:06.000+00:00", "message": "workspace ready", "step": "build", "seconds": 0.2},
    {
        "time": "1970-01-01T00:00:10.000+00:00",
        "message": "step done",
        "step": "build",
        "result": {"seconds": {"restore": 0.2, "install": 1.0, "build": 2.5}},
    },
]
STEPS = [("Agent", 1.0, 4.1), ("HasChanges", 4.1, 4.2), ("WriteCommitMessage", 4.2, 4.5), ("Build", 4.5, 10.5)]


def test_the_parts_add_up_to_the_whole() -> None:
    found = parts(sent=0.2, answered=11.0, began=0.9, ended=10.6, steps=STEPS, log=LOG)

    assert sum(found.values()) == pytest.approx(10.8)
    assert found["queue, intake, run start"] == pytest.approx(0.7)
    assert found["Agent: task start, claim"] == pytest.approx(0.7)
    assert found["Agent: work"] == 1.5
    assert found["Agent: checkpoint, record"] == pytest.approx(0.5)
    assert found["Build: install"] == 1.0
    assert found["Build: checkpoint, record"] == pytest.approx(0.5)
    assert "Build: work" not in found
    assert found["run end, answer"] == pytest.approx(0.4)


def test_a_build_that_was_repaired_counts_twice() -> None:
    later = [
        {**line, "time": line["time"].replace("00:00:0", "00:00:3").replace("00:00:10", "00:00:40")} for line in LOG[2:]
    ]
    steps = [*STEPS, ("Repair", 10.5, 34.5), ("Build", 34.5, 40.5)]
    found = parts(sent=0.2, answered=41.0, began=0.9, ended=40.6, steps=steps, log=[*LOG, *later])
    assert (found["Build: install"], found["Build: build"], found["Repair: all"]) == (2.0, 5.0, 24.0)
    assert sum(found.values()) == pytest.approx(40.8)


def test_a_step_without_a_log_is_one_part() -> None:
    found = parts(sent=0.0, answered=11.0, began=0.9, ended=10.6, steps=STEPS, log=[])
    assert found["Agent: all"] == pytest.approx(3.1)


def test_medians_keep_the_order_and_take_what_is_there() -> None:
    assert medians([{"b": 1.0, "a": 2.0}, {"b": 3.0}, {"b": 5.0, "a": 4.0}]) == {"b": 3.0, "a": 3.0}


def test_a_command_is_summed_up_as_waiting_working_and_the_rest() -> None:
    found = summary(parts(sent=0.2, answered=11.0, began=0.9, ended=10.6, steps=STEPS, log=LOG))

    assert found["total"] == pytest.approx(10.8)
    assert found["waiting"] == pytest.approx(0.7 + 1.3)
    assert found["restoring"] == pytest.approx(0.5)
    assert found["working"] == pytest.approx(1.5 + 1.0 + 2.5 + 0.3)
    assert sum(found[name] for name in ("waiting", "restoring", "working", "rest")) == pytest.approx(10.8)


def test_the_95th_percentile_is_one_of_the_values() -> None:
    found = statistics([{"all": float(number)} for number in range(30, 0, -1)])
    assert found == {"all": {"median": 15.5, "p95": 29.0, "max": 30.0}}


def test_an_interrupt_is_cut_where_somebody_noted_a_time() -> None:
    found = Interrupt(sent=1.0, accepted=1.25, noticed=1.75, signalled=2.0).parts()
    assert list(found.values()) == [0.25, 0.5, 0.25, 1.0]


def test_idle_seconds_for_all_sites_and_for_one() -> None:
    assert idle_seconds("", "amelia") is None
    assert idle_seconds("60", "amelia") == 60
    assert idle_seconds("amelia=60,bruno=0", "bruno") == 0
    assert idle_seconds("bruno=0", "amelia") is None
    with pytest.raises(BadSetting, match="amelia=soon"):
        idle_seconds("amelia=soon", "amelia")
