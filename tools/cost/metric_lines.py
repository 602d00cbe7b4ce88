"""Counts the custom metrics in log lines of the embedded metric format. Pure."""

import json
from collections.abc import Iterable
from typing import Any


def metrics_in(lines: Iterable[str]) -> int:
    """Returns the number of combinations of a metric's name and its dimensions."""
    return len({series for line in lines for series in _series(line)})


def _series(line: str) -> list[tuple[str, ...]]:
    try:
        data: Any = json.loads(line)
    except ValueError:
        return []
    if not isinstance(data, dict) or "_aws" not in data:
        return []
    return [
        (metric["Name"], *(f"{name}={data[name]}" for name in sorted(dimensions)))
        for directive in data["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    ]
