"""Reports a step to Step Functions. Cuts its result to the limits of the command's item and of a state."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorInfo
from sitewright.contracts.messages import MAX_FILES_LISTED
from sitewright.contracts.result_size import within
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import (
    RESULT_FILES_LISTED,
    TOKEN_GONE,
    AgentResult,
    Interruption,
    RepairResult,
)
from sitewright.retry import Backoff, error_code, retry
from workspace.steps.step_registry import StepResult
from workspace.system.aws_clients import Clients

BACKOFF = Backoff(seconds=20.0, first=0.2, longest=3.0)
"""How a report is repeated while Step Functions does not answer."""

MAX_LIST_BYTES = 48 * 1024
"""The limit of a list of paths. DynamoDB limits a command's item to 400 KB, and the instruction takes up to 256 of
them."""

MAX_SUMMARY = 16_000
"""The limit of a summary, in characters."""

_Agent = TypeVar("_Agent", bound=AgentResult)


def saved_for_record(saved: Interruption) -> Interruption:
    """Returns saved work, cut to the limits of the command's item."""
    return saved.model_copy(update={"files_changed": _first(saved.files_changed, MAX_FILES_LISTED)})


def for_record(result: StepResult) -> StepResult:
    """Returns a result, cut to the limits of the command's item."""
    if isinstance(result, RepairResult):
        return _shorter(result, RESULT_FILES_LISTED, MAX_LIST_BYTES // 4)
    if isinstance(result, AgentResult):
        return _shorter(result, MAX_FILES_LISTED)
    return result


def for_console(result: StepResult) -> StepResult:
    """Returns a result, cut to the limits of a run's output and of the console."""
    return within(_shorter(result, RESULT_FILES_LISTED) if isinstance(result, AgentResult) else result)


def _shorter(result: _Agent, files: int, limit: int = MAX_LIST_BYTES) -> _Agent:
    kept = _first(result.files_changed, files, limit)
    unresolved = _first(result.unresolved, files, limit // 4)
    return result.model_copy(
        update={"files_changed": kept, "unresolved": unresolved, "summary": result.summary[:MAX_SUMMARY]}
    )


def _first(paths: list[str], count: int, limit: int = MAX_LIST_BYTES) -> list[str]:
    kept: list[str] = []
    size = 0
    for path in paths[:count]:
        size += len(path.encode("utf-8", "replace")) + 1
        if size > limit:
            break
        kept.append(path)
    return kept


@dataclass(frozen=True)
class Reporter:
    """Reports to the state that waits for the step.

    A rejected token counts as reported, because no state waits any more.
    """

    clients: Clients
    token: str = field(repr=False)
    log: Callable[..., None] = field(repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def success(self, result: StepResult) -> bool:
        """Reports the result. Returns False if the report did not get through."""
        output = for_console(result).to_json()
        return self._send(lambda: self.clients.stepfunctions.send_task_success(taskToken=self.token, output=output))

    def failure(self, error: SfnError, info: ErrorInfo) -> bool:
        """Reports a failure; the cause is the ErrorInfo as JSON. Returns False if the report did not get through."""
        cause = info.to_json()
        return self._send(
            lambda: self.clients.stepfunctions.send_task_failure(taskToken=self.token, error=error.value, cause=cause)
        )

    def _send(self, call: Callable[[], object]) -> bool:
        try:
            retry(call, BACKOFF, sleep=self.sleep)
        except (ClientError, BotoCoreError) as error:
            if error_code(error) in TOKEN_GONE:
                self.log("nobody waits for the report any more", level="warning", code=error_code(error))
                return True
            self.log("the report did not get through", level="error", error=str(error))
            return False
        return True
