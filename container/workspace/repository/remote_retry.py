"""Retries network operations on the git host, and turns their errors into the step's errors."""

import time
from collections.abc import Callable
from typing import TypeVar

from sitewright.contracts.error_codes import ErrorCode
from workspace.errors import CredentialsUnavailable, GitError, StepFailed
from workspace.repository.git_errors import Refusal, classify, host_words

DOWN_SECONDS = 90.0
"""How long an operation is retried while the host does not answer."""

_T = TypeVar("_T")


class Rejected(StepFailed):
    """The host's rules forbid the push. `output` is git's."""

    def __init__(self, words: str, output: str) -> None:
        super().__init__(ErrorCode.PUSH_FAILED, f"The git host refuses: {words}")
        self.output = output


class Diverged(Exception):
    """The remote branch has commits that the checkout lacks."""


def retry_remote(
    operation: Callable[[float], _T],
    *,
    within: float,
    sleep: Callable[[float], None],
    log: Callable[..., None],
    clock: Callable[[], float] = time.monotonic,
) -> _T:
    """Does a network operation. Repeats it while the host does not answer, for at most `within` seconds.

    Args:
        operation: called with its time limit in seconds.
        within: the limit of all attempts in seconds.
        sleep: pauses between attempts; raises StepStopped to give up.

    Raises:
        Diverged: the push is not a fast-forward.
        Rejected: the host's rules forbid it, at once.
        StepFailed: GIT_AUTH_FAILED and PUSH_FAILED at once, GIT_UNAVAILABLE after the last attempt.
    """
    deadline, pause = clock() + within, 0.5
    while True:
        try:
            return operation(max(deadline - clock(), 1.0))
        except (TimeoutError, CredentialsUnavailable) as error:
            failure: Exception = error
            words = str(error)
        except GitError as error:
            failure, words = error, host_words(error.stderr)
            refusal = classify(error.stderr)
            if refusal is Refusal.DIVERGED:
                raise Diverged(words) from error
            if refusal is Refusal.AUTH:
                raise StepFailed(ErrorCode.GIT_AUTH_FAILED, f"The git host refuses the token: {words}") from error
            if refusal is Refusal.REJECTED:
                raise Rejected(words, error.stderr) from error
            if refusal is not Refusal.UNAVAILABLE:
                raise StepFailed(ErrorCode.PUSH_FAILED, f"The git host refuses: {words}") from error
        if clock() + pause >= deadline:
            message = f"The git host did not answer for {within:.0f} s: {words}"
            raise StepFailed(ErrorCode.GIT_UNAVAILABLE, message) from failure
        log("the git host is out of reach, trying again", level="warning", seconds=pause, answer=words)
        sleep(pause)
        pause = min(pause * 2, 8.0)
