"""Answers the commands whose end was lost: a run without an event, an event without a response, a run that never started."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambdas.respond.outcome import Outcome
from lambdas.respond.responder import Responder
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.retry import error_code

SWEEP_AFTER_MS = 120_000
JUST_ENDED_MS = 60_000
"""Minimum time since a run's end. Before that, the run's event wait may still be under way."""
NEVER_STARTED_AFTER_MS = 15 * 60_000


class SweepError(Exception):
    """Some commands could not be answered; the others were. `failures` has the reason for each."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__(f"{len(failures)} open commands could not be answered: " + "; ".join(failures)[:1000])
        self.failures = failures


@dataclass(frozen=True)
class Sweep:
    """One pass over the unanswered commands. `sfn` is boto3's client."""

    responder: Responder
    sfn: Any

    def run(self) -> int:
        """Answers the unanswered commands whose run has ended. Returns their number.

        A failure for one command does not stop the others. Raises SweepError at the end.
        """
        answered = 0
        failures: list[str] = []
        commands, now = self.responder.commands, self.responder.now()
        for ids in commands.unanswered(now - SWEEP_AFTER_MS):
            try:
                command = commands.read(ids)
                answered += bool(command and not command.answered_at and self._answer(command))
            except Exception as error:  # one command's fault must not stop the sweep
                self.responder.log(
                    "an open command could not be answered",
                    clientId=ids.client_id,
                    sessionId=ids.session_id,
                    commandId=ids.command_id,
                    error=repr(error)[:1000],
                )
                failures.append(f"{ids.client_id}/{ids.session_id}/{ids.command_id}: {error!r}"[:300])
        if failures:
            raise SweepError(failures)
        return answered

    def _answer(self, command: CommandRecord) -> bool:
        """Answers the command if its end is known. Returns whether it did."""
        if command.response:
            self.responder.send(command, command.response)
            return True
        if command.rejection:
            self.responder.answer(command, Outcome(ResponseStatus.REJECTED, command.rejection))
            return True
        run = self._run(command)
        if run is None:
            return self._answer_without_run(command)
        if run["status"] in {"RUNNING", "PENDING_REDRIVE"} or self._just_ended(run):
            return False
        self.responder.run_ended(command, run["status"], run.get("error"), run.get("cause"))
        return True

    def _answer_without_run(self, command: CommandRecord) -> bool:
        if command.superseded_by:
            self.responder.answer(command, Outcome(ResponseStatus.INTERRUPTED))
            return True
        if self.responder.now() - command.accepted_at <= NEVER_STARTED_AFTER_MS:
            return False
        info = ErrorInfo.of(ErrorCode.INTERNAL, "the command was accepted but its run never started")
        self.responder.answer(command, Outcome(ResponseStatus.FAILED, info))
        return True

    def _run(self, command: CommandRecord) -> Any:
        if command.execution_arn is None:
            return None
        try:
            return self.sfn.describe_execution(executionArn=command.execution_arn)
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            return None

    def _just_ended(self, run: Any) -> bool:
        ended = run.get("stopDate")
        return ended is not None and self.responder.now() - ended.timestamp() * 1000 < JUST_ENDED_MS
