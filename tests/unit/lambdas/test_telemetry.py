"""Log lines and traces of the functions name the command."""

import io
import json
from typing import Any

import pytest

from lambdas.common.telemetry import about, log_info, logger, traced, tracer
from sitewright.tables.keys import CommandRef
from tests.support.lambdas.lambda_context import CONTEXT


@traced
def handler(event: CommandRef | None, context: object) -> None:
    if event:
        about(event)
    log_info("done", status="succeeded")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_line_names_function_request_and_command(log: io.StringIO) -> None:
    handler(CommandRef("amelia", "s", "c1"), CONTEXT)
    [line] = lines(log)
    assert (line["clientId"], line["sessionId"], line["commandId"]) == ("amelia", "s", "c1")
    assert line["function_request_id"] == CONTEXT.aws_request_id
    assert line["status"] == "succeeded"
    assert line["location"].startswith("handler:")


def test_the_next_invocation_names_no_command_of_the_last(log: io.StringIO) -> None:
    handler(CommandRef("amelia", "s", "c1"), CONTEXT)
    handler(None, CONTEXT)
    assert "clientId" not in lines(log)[-1]


def test_a_trace_is_found_by_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, str] = {}
    monkeypatch.setattr(tracer, "put_annotation", lambda name, value: found.update({name: value}))
    handler(CommandRef(None, "s", "c1"), CONTEXT)
    assert found == {"sessionId": "s", "commandId": "c1"}
