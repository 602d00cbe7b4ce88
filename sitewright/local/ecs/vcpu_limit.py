"""Refuses RunTask as AWS does when an account's Fargate vCPU quota is used up.

A file in the stack's home has the limit. It is read at each RunTask, so a test can change it at any time.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

REASON = "You\u2019ve reached the limit on the number of vCPUs you can run concurrently"
"""The reason in `failures[]` of RunTask's answer, whose status is 200.

Source: ECS developer guide, "Amazon ECS service event messages", for a service. Public programs compare the failures of
RunTask with the same text.
"""

UNITS = 1024
"""CPU units of a vCPU."""


@dataclass(frozen=True)
class VcpuLimit:
    """The limit of one site's tasks, or of all. AWS has one for the account and region."""

    vcpus: float
    family: str | None = None
    """The family of task definitions that it counts; None: every family."""

    def refuses(self, running: Iterable[Json], definition: Json) -> bool:
        """Tells whether a further task of a definition exceeds the limit beside the running tasks."""
        if not self._counts(definition["taskDefinitionArn"]):
            return False
        used = sum(int(task["cpu"]) for task in running if self._counts(task["taskDefinitionArn"]))
        return used + int(definition.get("cpu") or 256) > self.vcpus * UNITS

    def _counts(self, definition_arn: str) -> bool:
        return self.family is None or definition_arn.rsplit("/", 1)[-1].rpartition(":")[0] == self.family


def read(path: Path) -> VcpuLimit | None:
    """Returns the limit in a file; None without one."""
    try:
        return VcpuLimit(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(path: Path, limit: VcpuLimit) -> None:
    """Sets the limit. Without the file there is none."""
    path.write_text(json.dumps({"vcpus": limit.vcpus, "family": limit.family}), encoding="utf-8")
