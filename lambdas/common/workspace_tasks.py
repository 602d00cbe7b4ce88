"""Reads which session an ECS task works for. Pure."""

from typing import Any

from pydantic import ValidationError

from sitewright.contracts.names import WORKSPACE_CONTAINER
from sitewright.contracts.steps import StepRequest, step_request_from_env


def request_of(task: dict[str, Any]) -> StepRequest | None:
    """Returns the step that a task was started for; None for a task of another service.

    `task` is the detail of a task's event, or a task of DescribeTasks: both have the overrides of RunTask.
    """
    for override in (task.get("overrides") or {}).get("containerOverrides") or []:
        if override.get("name") == WORKSPACE_CONTAINER:
            env = {pair["name"]: pair.get("value", "") for pair in override.get("environment") or []}
            try:
                return step_request_from_env(env)
            except ValidationError:
                return None
    return None
