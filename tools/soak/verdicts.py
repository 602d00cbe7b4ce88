"""What a soak run promises: constant calls a command, and memory with a bound. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tools.soak.memory import Sample

Json = dict[str, Any]
LEAST_WINDOW = 25
CALLS_TOLERANCE = 0.15
"""A window may have a session's first command more or less than another one."""
SERVICE_GROWTH_MB = 25.0
"""How much a service of ours may grow from the first window to the last: caches, and Python's own fragments."""
EMULATOR_MB_A_COMMAND = 2.0
"""The emulator keeps each run's history, log and object in its memory, as AWS keeps them on disks."""
RUNNER_GROWTH = 1.25
_OF_THE_EMULATOR = {"emulator", "functions"}
_WAITING = {"refresh", "look"}
"""What a living workspace asks for every second, whatever it is told."""


@dataclass(frozen=True)
class Window:
    """So many commands one after the other, and the time from the last answer before them to their last one."""

    commands: int
    begin: float
    end: float

    def holds(self, at: float) -> bool:
        """Whether a moment is inside."""
        return self.begin < at <= self.end


def windows(began: float, answered: Sequence[float], tenths: int = 10) -> list[Window]:
    """Cuts a run into windows of as many commands each: a tenth, 25 at least. A rest joins the last window."""
    ends = sorted(answered)
    size = max(LEAST_WINDOW, len(ends) // tenths)
    starts = list(range(0, max(len(ends) - size, 0) + 1, size)) if ends else []
    found = []
    for position, start in enumerate(starts):
        stop = len(ends) if position == len(starts) - 1 else start + size
        found.append(Window(stop - start, ends[start - 1] if start else began, ends[stop - 1]))
    return found


def calls_a_command(lines: Sequence[Mapping[str, Any]], window: Window) -> dict[str, float]:
    """Returns the calls by service, and `all`, for each command of a window. Without what waiting workspaces ask for."""
    counts: Counter[str] = Counter()
    for line in lines:
        if window.holds(line["at"]) and (name := _work(line)):
            counts[name] += 1
            counts["all"] += 1
    return {name: round(count / window.commands, 2) for name, count in sorted(counts.items())}


def _work(line: Mapping[str, Any]) -> str | None:
    if line["kind"] == "lambda":
        return "lambda"
    if line["detail"] in _WAITING or line["operation"] == "SendTaskHeartbeat":
        return None
    return str(line["service"])


def grown_calls(by_window: Sequence[Mapping[str, float]]) -> list[str]:
    """Returns the services that a command calls more often at the end than at the beginning."""
    if len(by_window) < 2:
        return ["too few commands for two windows"]
    first, last = by_window[0], by_window[-1]
    return [
        f"{name}: {first.get(name, 0):g} calls a command in the first window, {last[name]:g} in the last"
        for name in last
        if last[name] > first.get(name, 0) * (1 + CALLS_TOLERANCE) + 0.5
    ]


def memory_by_window(samples: Sequence[Sample], cut: Sequence[Window]) -> list[dict[str, float]]:
    """Returns the most megabytes of each service in each window, and the median of a waiting workspace's `runner`."""
    found = []
    for window in cut:
        inside = [one for one in samples if window.holds(one.at)]
        most: dict[str, float] = defaultdict(float)
        for one in inside:
            for name, size in one.services.items():
                most[name] = max(most[name], size)
        runners = [w.parts["runner"] for one in inside for w in one.workspaces if w.waits and "runner" in w.parts]
        if runners:
            most["a waiting runner"] = round(median(runners), 1)
        found.append(dict(most))
    return found


def grown_memory(by_window: Sequence[Mapping[str, float]], commands: int) -> list[str]:
    """Returns the services whose memory has no bound, by the first and the last window that has a value."""
    wrong = []
    for name in sorted({name for window in by_window for name in window}):
        values = [window[name] for window in by_window if name in window]
        first, last = values[0], values[-1]
        if name == "a waiting runner":
            limit = first * RUNNER_GROWTH
        elif name in _OF_THE_EMULATOR:
            limit = first + EMULATOR_MB_A_COMMAND * commands
        else:
            limit = first + SERVICE_GROWTH_MB
        if last > limit:
            wrong.append(f"{name}: {first:g} MB in the first window, {last:g} MB in the last")
    return wrong
