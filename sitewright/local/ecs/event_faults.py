"""Trouble on demand with the STOPPED events: EventBridge delivers at least once, in no order, and sometimes late.

A file in the stack's home sets it, read before each event, so that it can be switched on and off while the stack runs.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path


@dataclass
class EventFaults:
    """Probabilities of what happens to an event; the file is written by `write`."""

    path: Path
    _random: random.Random | None = None

    def deliveries(self) -> list[float]:
        """After how many seconds each the next event is delivered: none if it is lost, two if it comes twice."""
        try:
            wanted = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return [0.0]
        if self._random is None:
            self._random = random.Random(wanted["seed"])  # noqa: S311 - reproducible, no secret
        draw, late = self._random.random(), float(wanted["seconds"])
        for share, answer in (("drop", []), ("duplicate", [0.0, late]), ("delay", [late])):
            if draw < wanted[share]:
                return answer
            draw -= wanted[share]
        return [0.0]


def write(path: Path, *, seed: int, drop: float, duplicate: float, delay: float, seconds: float) -> None:
    """Switches the trouble on."""
    data = {"seed": seed, "drop": drop, "duplicate": duplicate, "delay": delay, "seconds": seconds}
    path.write_text(json.dumps(data), encoding="utf-8")
