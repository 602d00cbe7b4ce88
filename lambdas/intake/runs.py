"""Starts and stops the runs of commands. Both may be repeated."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import ExecutionInput, WorkspaceNetwork
from sitewright.retry import error_code


@dataclass(frozen=True)
class Runs:
    """Intake's access to Step Functions."""

    sfn: Any
    network: WorkspaceNetwork
    """Where the runs start workspaces."""

    def start(self, state_machine_arn: str, record: CommandRecord) -> bool:
        """Starts the command's run. Returns False if the run was started before, and is not open with the same input."""
        if record.execution_arn is None or record.client_id is None or record.chat_thread_id is None:
            raise RuntimeError(f"the record of {record.command_id} has no run to start")
        # The input is the same at every repetition, so StartExecution is idempotent while the run is open. A deployment
        # of another network between two repetitions makes it ExecutionAlreadyExists, which is as good.
        payload = ExecutionInput(
            session_id=record.session_id,
            command_id=record.command_id,
            client_id=record.client_id,
            chat_thread_id=record.chat_thread_id,
            generation=record.generation,
            prepare=record.prepare or False,
            network=self.network,
        )
        try:
            self.sfn.start_execution(
                stateMachineArn=state_machine_arn,
                name=record.execution_arn.rsplit(":", 1)[1],
                input=payload.to_json(),
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
            return False
        return True

    def stop(self, execution_arn: str, superseded_by: str) -> bool:
        """Stops a run. Returns False if the run never started."""
        try:
            self.sfn.stop_execution(
                executionArn=execution_arn,
                error="Superseded",
                cause=f"command {superseded_by} of the same session took over",
            )
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            return False
        return True
