"""Loses, repeats and delays STOPPED events on demand, because EventBridge does so now and then.

A file in the stack's home has the probabilities. It is read before each event, so a test can change it at any time.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path


@dataclass
class EventFaults:
    """The probabilities in a file, written by `write`."""

    path: Path
    _random: random.Random | None = None

    def deliveries(self) -> list[float]:
        """Returns the delays of the next event's deliveries, in seconds. A lost event has none, a repeated event two."""
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
    """Switches the faults on."""
    data = {"seed": seed, "drop": drop, "duplicate": duplicate, "delay": delay, "seconds": seconds}
    path.write_text(json.dumps(data), encoding="utf-8")
