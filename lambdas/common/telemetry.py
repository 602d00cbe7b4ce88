"""The log and the trace of the functions. Each entry point wears `traced`; `about` names the command it works for."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Tracer

from sitewright.tables.keys import CommandIds

logger = Logger()
tracer = Tracer(patch_modules=["botocore"])
"""It records each call of AWS as a part of the invocation's trace. Outside Lambda it is off: there is no X-Ray daemon."""


def traced(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates an entry point: a trace, and log lines with function, request and cold start.

    Answers stay out of the trace: they may quote a client.
    """
    return tracer.capture_lambda_handler(
        logger.inject_lambda_context(handler, clear_state=True), capture_response=False
    )


def about(ids: CommandIds) -> None:
    """Names the command in the further log lines of this invocation, and in its trace."""
    names = {"clientId": ids.client_id, "sessionId": ids.session_id, "commandId": ids.command_id}
    logger.append_keys(**names)
    for name, value in names.items():
        if value:
            tracer.put_annotation(name, value)


def log_info(message: str, **fields: Any) -> None:
    """Logs a line of the logic, which knows no Logger."""
    logger.info(message, extra=fields, stacklevel=3)
