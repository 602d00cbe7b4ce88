"""Pushes of WIP commits in the gap between two steps.

A push uses the git token, so no process of the guest may be alive meanwhile.
"""

import threading
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from workspace.claim.fence import ClaimFence
from workspace.errors import Fenced, WorkspaceError
from workspace.repository.checkout import Checkout

BACKGROUND_SECONDS = 60.0
"""The time limit of a push of a WIP commit."""

GAP_SECONDS = 5.0
"""How long the next work in the checkout waits for a push under way. Then the push is cancelled: the step `push` sends
the commit too."""


class BackgroundPush:
    """Pushes WIP commits one after the other. Logs a failure, because the step `push` sends the commit too."""

    def __init__(self, checkout: Checkout, log: Callable[..., None]) -> None:
        self._checkout = checkout
        self._log = log
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()

    @property
    def busy(self) -> bool:
        """Whether a push is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, commit: str, fence: ClaimFence, ended: Callable[[bool], None] = lambda _: None) -> None:
        """Starts a push after the previous one. Calls `ended` with whether the remote has the commit."""
        self._cancelled = threading.Event()
        arguments = (commit, fence.after_stop(), ended, self._thread, self._cancelled)
        self._thread = threading.Thread(target=self._run, args=arguments, name="wip-push", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the push under way. The step `push` must come after this."""
        if self._thread is not None:
            self._thread.join(timeout)

    def settle(self) -> None:
        """Waits at most GAP_SECONDS for a push under way, then cancels it. Work in the checkout comes after this."""
        self.join(GAP_SECONDS)
        if self.busy:
            self._log("the push of the WIP commit is cancelled, the next push takes it along", level="warning")
            self.cancel()

    def cancel(self) -> None:
        """Ends a push under way, which must not outlive the claim."""
        self._cancelled.set()
        self.join(5.0)

    def _run(
        self,
        commit: str,
        fence: ClaimFence,
        ended: Callable[[bool], None],
        before: threading.Thread | None,
        cancelled: threading.Event,
    ) -> None:
        if before is not None:
            before.join()
        ended(self._push(commit, fence, cancelled))

    def _push(self, commit: str, fence: ClaimFence, cancelled: threading.Event) -> bool:
        def poll() -> None:
            if cancelled.is_set():
                raise Fenced("the push is cancelled")
            fence.check_stop()

        branch = self._checkout.branch
        try:
            poll()
            fence.verify()
            self._checkout.remote.push(commit, branch, timeout=BACKGROUND_SECONDS, poll=poll)
            self._checkout.set_tracking(branch, commit)
        except (WorkspaceError, TimeoutError, OSError, ClientError, BotoCoreError) as error:
            self._log("WIP commit not pushed, the next push takes it along", level="warning", error=str(error))
            return False
        self._log("WIP commit of the older command pushed", commit=commit, branch=branch)
        return True
