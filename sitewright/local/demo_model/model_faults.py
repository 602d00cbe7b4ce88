"""Faults on demand, each for the instructions that hold a text, so that parallel tests do not disturb each other."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Fault:
    """`status`: an HTTP status, `nonsense`, `disconnect`, or None for a delay only."""

    match: str
    status: int | str | None = None
    times: int = 1
    delay_seconds: float = 0.0


class Faults:
    """The faults that are set, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, data: dict[str, Any]) -> None:
        """Adds a fault. Raises KeyError without `match`, TypeError or ValueError for a value that is no number."""
        self._faults.append(
            Fault(data["match"], data.get("status"), int(data.get("times", 1)), float(data.get("delaySeconds", 0)))
        )

    def list(self) -> list[dict[str, Any]]:
        """All that were set, also those that are used up."""
        return [asdict(fault) for fault in self._faults]

    def take(self, instruction: str) -> Fault | None:
        """The first fault for an instruction that is not used up, one use of it taken."""
        for fault in self._faults:
            if fault.times > 0 and fault.match in instruction:
                fault.times -= 1
                return fault
        return None
