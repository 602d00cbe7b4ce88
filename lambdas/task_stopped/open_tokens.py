"""Finds the task tokens that a stopped workspace left unanswered. Pure."""

from lambdas.task_stopped.diagnosis import Diagnosis
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import StepRequest

NOT_BEGUN = Diagnosis(
    SfnError.STOPPED,
    ErrorInfo.of(ErrorCode.WORKSPACE_CRASHED, "The workspace ended before it took the step."),
)


def open_tokens(first: StepRequest, diagnosis: Diagnosis | None, session: SessionRecord | None) -> dict[str, Diagnosis]:
    """Returns the tokens that a stopped workspace may have left unanswered, each with the failure to report.

    Args:
        first: the step that the task was started for.
        diagnosis: why the workspace stopped; None if it ended by itself.
        session: the session, if the workspace did not give its claim back. It names the workspace's last step, and the
            step in its mailbox.
    """
    tokens = {first.task_token: diagnosis} if diagnosis else {}
    if session is not None:
        if session.serving:
            tokens[session.serving.task_token] = diagnosis or NOT_BEGUN
        if session.mailbox:
            # The step was not begun, so a fresh workspace can do it.
            tokens[session.mailbox.task_token] = NOT_BEGUN
    return tokens
