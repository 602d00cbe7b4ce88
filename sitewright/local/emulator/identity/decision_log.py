"""Which rights the roles used, and which they lacked: a line of JSON for each, at its first use."""

import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Decision:
    """A right that was used or missing."""

    role: str
    """The role's name, or the service that called."""
    action: str
    resource: str
    """The pattern of the policy that allowed it; for a refusal the resource that was asked for."""
    allowed: bool


class DecisionLog:
    """The file. Safe to use from any thread; a decision is written once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)  # of an emulator before, whose roles are gone
        self._seen: set[Decision] = set()
        self._lock = threading.Lock()

    def allowed(self, role: str, action: str, patterns: Iterable[str]) -> None:
        """Notes that a role used a right, by the patterns of its policy that cover the resource."""
        for pattern in patterns:
            self._note(Decision(role, action, pattern, True))

    def refused(self, role: str, action: str, resource: str) -> None:
        """Notes that a role lacks a right, and says so in the emulator's log."""
        if self._note(Decision(role, action, resource, False)):
            print(f"IAM: {role} may not {action} on {resource}", flush=True)

    def _note(self, decision: Decision) -> bool:
        with self._lock:
            if decision in self._seen:
                return False
            self._seen.add(decision)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(decision)) + "\n")
            return True


def read_decisions(path: Path) -> list[Decision]:
    """Returns the decisions of a file; none if there is no file."""
    if not path.exists():
        return []
    return [Decision(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
