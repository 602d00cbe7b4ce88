"""The parts of AWS's callback pattern that MiniStack lacks.

AWS fails a state whose worker sends no heartbeat for HeartbeatSeconds. It gives every attempt of a state its own token,
and ends the tokens of a stopped run. MiniStack does none of it. Without heartbeats, a lost workspace would be noticed
only at the step's timeout. Without own tokens, a late report of one attempt would end the next attempt.
MiniStack also sleeps before the first state of each run; that pause is removed.
"""

import threading
import time
import uuid
from collections.abc import Callable
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

from ministack.services import stepfunctions  # type: ignore[import-untyped]

Json = dict[str, Any]

STOPPED = "Sitewright.RunStopped"
_POLL_SECONDS = 0.25
_START_PAUSE = 0.15
"""What MiniStack sleeps before the first state of a run."""


class TokenWatch:
    """Ends the wait for one token: after `seconds` without a heartbeat, or once its run is over."""

    def __init__(
        self, info: Json, seconds: float | None, running: Callable[[], bool], now: Callable[[], float]
    ) -> None:
        self._info = info
        self._seconds = seconds
        self._running = running
        self._now = now
        self._heard = now()
        self._last = info["heartbeat"]

    def check(self) -> bool:
        """Checks once; False if the wait is over."""
        info = self._info
        if info["event"].is_set():
            return False
        if info["heartbeat"] != self._last:
            # MiniStack stores the time in its own format; only the change matters here.
            self._last, self._heard = info["heartbeat"], self._now()
        if not self._running():
            return self._fail(STOPPED, "the run was stopped")
        if self._seconds is not None and self._now() - self._heard > self._seconds:
            return self._fail("States.HeartbeatTimeout", f"no heartbeat for {self._seconds:.0f} seconds")
        return True

    def _fail(self, error: str, cause: str) -> bool:
        self._info["error"] = {"Error": error, "Cause": cause}
        self._info["event"].set()
        return False


def install(at_most: float | None) -> None:
    """Adds the missing behaviour to MiniStack's interpreter. `at_most`: an upper limit for every HeartbeatSeconds."""
    owners: dict[str, str] = {}
    evaluate, wait = stepfunctions._apply_jsonata_arguments, stepfunctions._invoke_with_callback

    def is_running(token: str) -> bool:
        execution = stepfunctions._executions.get(owners.get(token, ""))
        return execution is None or execution["status"] == "RUNNING"

    def arguments(state: Json, given: Any, ctx: Json | None = None) -> Any:
        if ctx is not None and ".waitForTaskToken" in state.get("Resource", ""):
            token = str(uuid.uuid4())
            ctx["Task"] = {"Token": token}
            owners[token] = ctx["Execution"]["Id"]
            if not is_running(token):  # a retry after the run was stopped
                del owners[token]
                raise stepfunctions._ExecutionError(STOPPED, "the run was stopped")
        return evaluate(state, given, ctx)

    def watch(token: str, seconds: float | None) -> None:
        info = None
        while info is None:
            info = stepfunctions._task_tokens.get(token)
            if token not in owners:
                return
            time.sleep(_POLL_SECONDS)
        watched = TokenWatch(info, seconds, lambda: is_running(token), time.monotonic)
        while watched.check():
            time.sleep(_POLL_SECONDS)

    def callback(resource: str, given: Any, token: str, state: Json) -> Any:
        limits = [limit for limit in (state.get("HeartbeatSeconds"), at_most) if limit is not None]
        seconds = min(limits) if "HeartbeatSeconds" in state else None
        # MiniStack stores tokens by account and region, which it has in context variables.
        threading.Thread(target=copy_context().run, args=(watch, token, seconds), daemon=True).start()
        try:
            return wait(resource, given, token, state)
        finally:
            owners.pop(token, None)

    def sleep(seconds: float) -> None:
        if seconds != _START_PAUSE:
            time.sleep(seconds)

    stepfunctions.time = SimpleNamespace(**{**vars(time), "sleep": sleep})
    stepfunctions._apply_jsonata_arguments = arguments
    stepfunctions._invoke_with_callback = callback
