"""Starts the wait for an interrupted command's saved work: a run of the state machine ANSWER_MACHINE."""

import hashlib
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sitewright.contracts.events import EndedRun
from sitewright.retry import error_code
from sitewright.tables.keys import client_session


@dataclass(frozen=True)
class AnswerWait:
    """`sfn` is boto3's client."""

    sfn: Any
    state_machine_arn: str

    def start(self, run: EndedRun) -> None:
        """Starts the wait once for a command. A repetition finds it under way, or ended."""
        ids = f"{client_session(run)}\n{run.command_id}"
        try:
            self.sfn.start_execution(
                stateMachineArn=self.state_machine_arn,
                name=hashlib.sha256(ids.encode()).hexdigest(),
                input=run.to_json(),
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
