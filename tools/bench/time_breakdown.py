"""Splits the time of a command into parts, from the run's history and the workspace's log. Pure."""

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

Json = dict[str, Any]
Step = tuple[str, float, float]
"""State, entered, left (seconds since the epoch)."""

WORK = {"Prepare": "prepare", "Agent": "agent", "Build": "build", "Repair": "repair", "Push": "push"}


def parts(
    *, sent: float, answered: float, began: float, ended: float, steps: Sequence[Step], log: Sequence[Json]
) -> Json:
    """Returns the seconds of one command by part, in order. They add up to `answered - sent`.

    Args:
        sent: when the message was put on the queue.
        answered: when the answer was recorded as sent.
        began, ended: of the execution.
        steps: its states.
        log: the workspace's lines for the command.
    """
    found: Json = {"queue, intake, run start": began - sent}
    for name, entered, left in steps:
        new: Json = {}
        if name in WORK:
            # A build that was repaired is there twice.
            own = [line for line in log if line.get("step") == WORK[name] and entered <= _seconds(line["time"]) <= left]
            new = _workspace_step(name, entered, left, own)
        elif name in {"WriteCommitMessage", "RecordSync"}:
            new = {name: left - entered}
        found |= {part: found.get(part, 0.0) + seconds for part, seconds in new.items()}
    found["run end, answer"] = answered - ended
    found["state changes"] = (answered - sent) - sum(found.values())
    return found


def _workspace_step(name: str, entered: float, left: float, log: Sequence[Json]) -> Json:
    ready = next((line for line in log if line["message"] == "workspace ready"), None)
    done = next((line for line in log if line["message"] == "step done"), None)
    if ready is None or done is None:
        return {f"{name}: all": left - entered}
    is_ready, is_done = _seconds(ready["time"]), _seconds(done["time"])
    seconds = done["result"].get("seconds") or 0.0
    # What is not a part of its own is "work"; `restore` of a build is the same that `workspace ready` tells.
    inner = {k: v for k, v in seconds.items() if k != "restore"} if isinstance(seconds, dict) else {"work": seconds}
    return {
        f"{name}: task start, claim": is_ready - ready["seconds"] - entered,
        f"{name}: restore": ready["seconds"],
        **{f"{name}: {part}": value for part, value in inner.items()},
        f"{name}: checkpoint, record": is_done - is_ready - sum(inner.values()),
        f"{name}: report": left - is_done,
    }


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def medians(rows: Sequence[Json]) -> dict[str, float]:
    """The median of each part over all commands, in the order of the parts."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: round(median(row[name] for row in rows if name in row), 3) for name in names}
