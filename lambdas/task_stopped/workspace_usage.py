"""What a stopped workspace adds to the metrics and to its client's bill, from its ECS event. Pure.

The times are in the Amazon ECS API reference, "Task"; Fargate bills from the image's pull to the end (AWS Fargate pricing).
"""

from datetime import datetime
from typing import Any

from lambdas.common.measurements import Measurement
from sitewright.contracts.metrics import START_SECONDS

CPU_UNITS = 1024
MIB_OF_A_GB = 1024


def start_of(detail: dict[str, Any]) -> list[Measurement]:
    """Returns the cold start's seconds; nothing for a workspace that never ran."""
    seconds = _between(detail, "createdAt", "startedAt")
    return [] if seconds is None else [Measurement(START_SECONDS, seconds)]


def billed(detail: dict[str, Any]) -> dict[str, float]:
    """Returns the billed seconds, of a vCPU and of a GB of memory. It is empty for a workspace that was never pulled."""
    seconds = _between(detail, "pullStartedAt", "stoppedAt")
    if seconds is None:
        return {}
    cpu, memory = float(detail.get("cpu") or 0), float(detail.get("memory") or 0)
    return {
        "workspaceSeconds": seconds,
        "vcpuSeconds": round(seconds * cpu / CPU_UNITS, 3),
        "gbSeconds": round(seconds * memory / MIB_OF_A_GB, 3),
    }


def _between(detail: dict[str, Any], begin: str, end: str) -> float | None:
    if not detail.get(begin) or not detail.get(end):
        return None
    took = datetime.fromisoformat(detail[end]) - datetime.fromisoformat(detail[begin])
    return round(max(0.0, took.total_seconds()), 3)
