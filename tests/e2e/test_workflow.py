"""The complete workflow: message, edit, commit, build, sync, push, response, and the result of each part."""

import json
import re
import time
import uuid

import pytest

from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.stack_driver import Sent, Site, Stack, until
from tests.support.e2e.words import fresh

HEADING = re.compile(r"<h[12][^>]*>(.*?)</h[12]>", re.DOTALL)


def test_one_message_changes_the_live_site(astro_site: Site, stack: Stack) -> None:
    # The site may show headings of other sessions before. This session's branch does not have them.
    heading = f"Baked before dawn {uuid.uuid4().hex[:6]}"

    sent, answer = astro_site.run(f'Add a new heading saying "{heading}" to the homepage')

    assert answer["success"] is True, answer
    assert answer["status"] == "succeeded"
    assert answer["buildSuccess"] is True
    assert answer["deploySuccess"] is True
    assert answer["pushed"] is True
    assert answer["error"] is None
    assert answer["filesChangedCount"] == len(answer["filesChanged"]) == 1
    assert answer["siteUrl"] == astro_site.url
    assert answer["supersededBy"] is None
    assert answer["durationMs"] > 0
    assert abs(answer["timestamp"] - time.time() * 1000) < 120_000
    # The states ran in the order of the definition.
    assert astro_site.states(sent)[:2] == ["IsPreparation", "Agent"]
    tasks = [s for s in astro_site.states(sent) if s in {"Agent", "WriteCommitMessage", "Build", "RecordSync", "Push"}]
    assert tasks == ["Agent", "WriteCommitMessage", "Build", "RecordSync", "Push"]
    # The site shows the heading.
    assert HEADING.findall(astro_site.page()).count(heading) == 1
    # The remote branch has the commit, with the composed message.
    branch = f"thread-{sent.thread}"
    assert astro_site.git("rev-parse", branch) == answer["commit"]
    message = astro_site.git("log", "-1", "--format=%B", branch)
    assert re.match(rf"\[\d{{4}}-\d\d-\d\d\] Add a new heading saying \"{heading}\"", message)
    assert f"Session-Id: {sent.session_id}" in message
    assert f"Command-Id: {sent.command_id}" in message
    # The deployment and the manifest are recorded.
    deployments = stack.resource("dynamodb").Table(stack.info["tables"]["deployments"])
    record = astro_site.command(sent)
    kept = deployments.get_item(Key={"clientId": astro_site.client_id, "deploymentId": record["build"]["deploymentId"]})
    assert kept["Item"]["commit"] == record["build"]["commit"]
    assert kept["Item"]["driftCount"] == 0
    assert int(kept["Item"]["files"]) == len(astro_site.keys())


def test_each_step_logs_its_progress(session: OpenSession, stack: Stack) -> None:
    site, sent = session.site, session.first
    logs = stack.client("logs")

    def lines() -> list[str]:
        found: list[str] = []
        for group in logs.describe_log_groups()["logGroups"]:
            if site.client_id not in group["logGroupName"]:
                continue
            name = group["logGroupName"]
            pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=name)
            for stream in [
                stream for page in pages for stream in page["logStreams"]
            ]:  # a page holds 50, a task has one
                events = logs.get_log_events(logGroupName=name, logStreamName=stream["logStreamName"], limit=10000)
                found += [e["message"] for e in events["events"] if sent.command_id in e["message"]]
        return found

    def each_step_spoke() -> bool:
        told = lines()
        return all(len([line for line in told if f'"{step}"' in line]) >= 2 for step in ("agent", "build", "push"))

    # The response may be sent before the last lines of the push are in the log.
    until("two lines at least of each step in the log", each_step_spoke, seconds=20, every=0.5)


def test_a_session_goes_on(session: OpenSession, stack: Stack) -> None:
    site, first = session.site, session.first
    conversation, heading = site.session(first)["conversationId"], fresh("Second of two")
    again = {
        "sessionId": first.session_id,
        "commandId": first.command_id,
        "clientId": site.client_id,
        "chatThreadId": first.thread,
        "instruction": "Again",
    }
    stack.send_raw(json.dumps(again), group=first.session_id, dedup=f"{first.command_id}-again")

    # The second command builds on the first one. Its response proves that the repeated message was handled.
    second, answer = session.run(f'Add a new heading saying "{heading}" to the homepage')

    assert answer["success"], answer
    assert session.heading in site.page() and heading in site.page()
    subjects = session.subjects()
    assert heading in subjects[0]
    assert site.session(second)["conversationId"] == conversation, "the conversation was not continued"
    assert len(stack.responses(first.session_id, first.command_id)) == 1
    assert len([subject for subject in subjects if session.heading in subject]) == 1
    live = site.command(second)["build"]["deploymentId"]

    # A command without changes makes no commit, and what is live is not built again.
    third, answer = session.run("What is new?")

    assert (answer["success"], answer["buildSuccess"], answer["deploySuccess"]) == (True, True, True), answer
    assert (answer["filesChanged"], answer["filesChangedCount"], answer["error"]) == ([], 0, None)
    assert answer["summary"]
    assert "WriteCommitMessage" not in site.states(third)
    build = site.command(third)["build"]
    assert (build["skipped"], build["deploymentId"]) == (True, live)
    assert "build" not in build["seconds"]
    assert heading in site.page()


def test_an_odd_instruction_of_200_kb_is_only_text(session: OpenSession) -> None:
    words = "and mind the crumbs " * 10_000
    text = "dash $(touch /tmp/sitewright-pwned) `id` ${HOME} Grüße 🥐 漢字"

    _, answer = session.run(
        f'-n --help Add a paragraph "{text}" to the homepage, please - "quoted" \'single\'.\n\nThank you,\n"Amelia" {words}'
    )

    assert answer["success"] is True, answer
    assert answer["filesChangedCount"] >= 1, answer
    subject = session.subjects()[0]
    assert len(subject) <= 72
    assert subject.startswith("[")
    assert "Grüße 🥐 漢字" in session.site.page()


def test_two_sessions_may_use_the_same_command_id(stack: Stack) -> None:
    command = f"c-{uuid.uuid4().hex[:10]}"
    for session in (f"s-{uuid.uuid4().hex[:10]}" for _ in range(2)):
        body = {
            "sessionId": session,
            "commandId": command,
            "clientId": "nobody",
            "chatThreadId": "t",
            "instruction": "x",
        }
        stack.send_raw(json.dumps(body), group=session, dedup=command)
        assert stack.response(Sent(session, command, "t"))["status"] == "rejected"


def test_messages_that_cannot_be_understood(site: Site, stack: Stack) -> None:
    ok = {"clientId": site.client_id, "chatThreadId": "t", "instruction": "x"}
    cases = {
        "unknown client": ({**ok, "clientId": "nobody"}, "unknown_client", "nobody"),
        "bad client": ({**ok, "clientId": "No Body!"}, "invalid_message", "clientId"),
        "no instruction": ({"clientId": site.client_id, "chatThreadId": "t"}, "invalid_message", "instruction"),
        "no thread": ({"clientId": site.client_id, "instruction": "x"}, "invalid_message", "chatThreadId"),
        "blank": ({**ok, "instruction": "  "}, "invalid_message", "instruction"),
        "number": ({**ok, "instruction": 7}, "invalid_message", "instruction"),
    }
    for name, (body, code, mentions) in cases.items():
        session, command = f"rej-{uuid.uuid4().hex[:8]}", f"c-{uuid.uuid4().hex[:8]}"
        stack.send_raw(json.dumps({"sessionId": session, "commandId": command, **body}), group=session, dedup=command)
        answer = until(f"rejection: {name}", lambda s=session, c=command: stack.responses(s, c), seconds=30)[0]
        assert answer["status"] == "rejected", name
        assert answer["success"] is False
        assert answer["error"]["code"] == code, (name, answer)
        assert mentions in answer["error"]["message"], (name, answer)
        assert answer["error"]["remedy"]


@pytest.mark.parametrize("odd", ["a b", "ü/..//x"])
def test_ids_that_queues_and_tables_do_not_take_are_repeated_in_a_rejection(site: Site, stack: Stack, odd: str) -> None:
    session, command = (f"{odd} {uuid.uuid4().hex[:8]}" for _ in range(2))
    body = {"clientId": site.client_id, "chatThreadId": "t", "instruction": "x"}
    message = json.dumps({"sessionId": session, "commandId": command, **body})
    stack.send_raw(message, group="odd", dedup=uuid.uuid4().hex)
    answer = until(f"rejection: {odd}", lambda: stack.responses(session, command), seconds=30)[0]
    assert (answer["status"], answer["error"]["code"]) == ("rejected", "invalid_message")
    assert "commandId" in answer["error"]["message"]


def test_unreadable_messages_go_to_the_dead_letter_queue_with_the_reason(stack: Stack) -> None:
    mark = uuid.uuid4().hex
    stack.send_raw(f"this is not json {mark}", group=mark, dedup=mark)
    stack.send_raw('{"sessionId": "no-command-id", "mark": "%s"}' % mark, group=mark, dedup=mark + "2")

    sqs, found = stack.client("sqs"), {}

    def probe() -> bool:
        got = sqs.receive_message(
            QueueUrl=stack.info["dead_letter_queue_url"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            WaitTimeSeconds=1,
            VisibilityTimeout=2,
        )
        for message in got.get("Messages", []):
            if mark in message["Body"]:
                found[message["Body"]] = message["MessageAttributes"]["reason"]["StringValue"]
                sqs.delete_message(QueueUrl=stack.info["dead_letter_queue_url"], ReceiptHandle=message["ReceiptHandle"])
        return len(found) == 2

    until("both messages in the dead-letter queue", probe, seconds=40)
    assert "JSON" in found[f"this is not json {mark}"]
    assert any("commandId" in reason for reason in found.values())
