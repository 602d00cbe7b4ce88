"""The heartbeat of a task token.

It has a thread of its own: a Step Functions endpoint that hangs must not let the claim expire.
"""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.steps import TOKEN_GONE
from workspace.errors import StopReason
from workspace.system.aws_clients import Clients
from workspace.system.periodic_thread import PeriodicThread
from workspace.system.stop import Stop

HEARTBEAT_SECONDS = 5.0
"""A sixth of the state machine's limit for an offer (OFFER_HEARTBEAT_SECONDS)."""


class Heartbeat(PeriodicThread):
    """Sends the heartbeat of a task token.

    Notes TOKEN_GONE when Step Functions does not wait for the token any more.
    """

    def __init__(
        self,
        clients: Clients,
        token: str,
        stop: Stop,
        log: Callable[..., None],
        *,
        every: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(self.beat, every, "heartbeat")
        self._clients = clients
        self._token = token
        self._stop = stop
        self._log = log

    def beat(self) -> bool:
        """Sends one heartbeat.

        Returns False once the token is gone. Logs other failures; the next heartbeat tries again.
        """
        try:
            self._clients.stepfunctions.send_task_heartbeat(taskToken=self._token)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in TOKEN_GONE:
                if not self._ended.is_set():
                    self._stop.add(StopReason.TOKEN_GONE)
                    self._log("the run no longer waits for this step", level="warning", code=code)
                return False
            self._log("heartbeat refused", level="warning", code=code)
        except BotoCoreError as error:
            self._log("heartbeat failed", level="warning", error=str(error))
        return True
