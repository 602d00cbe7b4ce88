"""The transitions of the tables. Each runs on the double and on moto, which must accept the expressions and agree."""

from decimal import Decimal
from typing import Any

import pytest

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.messages import Response, ResponseStatus
from sitewright.contracts.records import CommandRecord, DeploymentRecord
from sitewright.contracts.steps import PushResult, StepName, StepRequest
from sitewright.retry import Backoff
from sitewright.tables.accept_transaction import accept
from sitewright.tables.commands import Commands
from sitewright.tables.deployments import Deployments
from sitewright.tables.keys import CommandRef
from sitewright.tables.schema import OPEN
from sitewright.tables.sessions import CLAIM_SECONDS, Sessions
from sitewright.tables.table import Table

LATER = int(CLAIM_SECONDS * 1000) + 1


@pytest.fixture
def session(request: pytest.FixtureRequest) -> CommandRef:
    """The ids of the test's own session, and of its first command."""
    return CommandRef("amelia", str(request.node.name), "c1")


def table(client: Any, name: str) -> Table:
    return Table(client, name, Backoff(1, 0.01, 0.1))


def step(session: CommandRef, generation: int, token: str = "token") -> StepRequest:
    return StepRequest(
        step=StepName.AGENT,
        task_token=token,
        client_id="amelia",
        session_id=session.session_id,
        command_id=f"c{generation}",
        generation=generation,
    )


def command(session: CommandRef, generation: int, **more: Any) -> CommandRecord:
    base: dict[str, Any] = {
        "client_id": "amelia",
        "chat_thread_id": "t",
        "open": OPEN,
        "ttl": 9,
        "accepted_at": generation,
    }
    return CommandRecord(
        session_id=session.session_id, command_id=f"c{generation}", generation=generation, **{**base, **more}
    )


def accepted(client: Any, session: CommandRef, generation: int) -> bool:
    sessions, commands = Sessions(table(client, "sessions")), Commands(table(client, "commands"))
    seen = sessions.read(session)
    older = commands.read(CommandRef.beside(session, f"c{generation - 1}"))
    return accept(sessions, commands, command(session, generation), seen=seen, older=older, now=1)


def test_a_claim_is_taken_refreshed_ended_and_cleared(client: Any, session: CommandRef) -> None:
    sessions = Sessions(table(client, "sessions"))
    assert sessions.read(session) is None and sessions.claim(step(session, 1), "w1", 1) is None
    assert accepted(client, session, 1)
    claimed = sessions.claim(step(session, 1), "w1", 1)
    assert claimed and claimed.workspace_id == "w1" and claimed.serving == step(session, 1)
    assert sessions.claim(step(session, 1), "w2", 2) is None
    assert sessions.claim(step(session, 2), "w1", 2) is None, "of another generation"
    refreshed = sessions.refresh(session, "w1", 5)
    assert refreshed and refreshed.alive_until == 5 + CLAIM_SECONDS * 1000
    assert sessions.refresh(session, "w2", 5) is None
    assert sessions.claim(step(session, 1), "w2", LATER + 5)
    assert not sessions.set_checkpoint(session, "w1", "key", None, now=1)
    assert sessions.set_checkpoint(session, "w2", "key", "conversation", now=1)
    assert sessions.end_claim(session, "w1") is None
    ended = sessions.end_claim(session, "w2")
    assert ended and ended.alive_until is None and ended.serving and ended.checkpoint == "key"
    sessions.clear_claim(session, "w2")
    cleared = sessions.read(session)
    assert cleared and (cleared.workspace_id, cleared.serving, cleared.claim_generation) == (None, None, None)


def test_an_offered_step_is_taken_once_or_withdrawn(client: Any, session: CommandRef) -> None:
    sessions = Sessions(table(client, "sessions"))
    accepted(client, session, 1)
    assert not sessions.offer(step(session, 1, "b"), "w2", 1)
    sessions.claim(step(session, 1), "w1", 1)
    assert not sessions.offer(step(session, 1, "b"), "w1", 1), "to itself"
    assert not sessions.offer(step(session, 1, "b"), "w2", LATER + 1), "to an expired claim"
    assert sessions.offer(step(session, 1, "b"), "w2", 1)
    assert not sessions.release_idle(session, "w1")
    taken = sessions.take(step(session, 1, "b"), "w1")
    assert taken and taken.serving == step(session, 1, "b") and taken.mailbox is None
    assert sessions.take(step(session, 1, "b"), "w1") is None
    assert sessions.finish_step(session, "w1", 1) and not sessions.finish_step(session, "w2", 1)
    sessions.offer(step(session, 1, "c"), "w2", 1)
    sessions.withdraw(step(session, 1, "other"), "w1")
    assert not sessions.release_idle(session, "w1")
    sessions.withdraw(step(session, 1, "c"), "w1")
    assert sessions.release_idle(session, "w1") and not sessions.release_idle(session, "w1")
    assert sessions.abandon(session, "w1") is None
    sessions.claim(step(session, 1), "w1", 1)
    sessions.offer(step(session, 1, "d"), "w2", 1)
    before = sessions.abandon(session, "w1")
    assert before and before.mailbox == step(session, 1, "d")


def test_only_an_idle_workspace_is_asked_to_leave_and_only_once(client: Any, session: CommandRef) -> None:
    sessions = Sessions(table(client, "sessions"))
    accepted(client, session, 1)
    sessions.claim(step(session, 1), "w1", 1)
    assert not sessions.ask_to_leave(session, "w1", 2), "at work"
    sessions.finish_step(session, "w1", 1)
    assert not sessions.ask_to_leave(session, "w1", 2), "the run goes on"
    sessions.finish_step(session, "w1", 1, idle_since=3)
    assert not sessions.ask_to_leave(session, "w2", 4), "another workspace"
    sessions.offer(step(session, 1, "b"), "w2", 4)
    assert not sessions.ask_to_leave(session, "w1", 4), "a step waits for it"
    sessions.withdraw(step(session, 1, "b"), "w1")
    assert sessions.ask_to_leave(session, "w1", 5) and not sessions.ask_to_leave(session, "w1", 6)
    asked = sessions.read(session)
    assert asked and (asked.idle_since, asked.leave_asked_at) == (3, 5)
    sessions.offer(step(session, 1, "c"), "w2", 7)
    taken = sessions.take(step(session, 1, "c"), "w1")
    assert taken and (taken.idle_since, taken.leave_asked_at) == (None, None), "it stays for the step"
    sessions.finish_step(session, "w1", 1, idle_since=8)
    accepted(client, session, 2)
    assert not sessions.ask_to_leave(session, "w1", 9), "a newer command is on its way"
    assert sessions.release_idle(session, "w1")
    left = sessions.read(session)
    assert left and left.idle_since is None


def test_an_acceptance_raises_the_generation_and_names_the_newer_command(client: Any, session: CommandRef) -> None:
    sessions, commands = Sessions(table(client, "sessions")), Commands(table(client, "commands"))
    seen = sessions.read(session)
    assert accepted(client, session, 1)
    assert not accept(sessions, commands, command(session, 2), seen=seen, older=None, now=1), "seen too early"
    assert accepted(client, session, 2)
    first, seen = commands.read(session), sessions.read(session)
    assert first and first.superseded_by == "c2"
    assert seen and (seen.generation, seen.command_id) == (2, "c2")
    assert not accepted(client, session, 2), "twice"
    assert sessions.raise_generation(session, 2) and not sessions.raise_generation(session, 2)
    assert commands.open_before(session, 3) == ["c2", "c1"]
    again = commands.supersede(session, "c9")
    assert again and again.superseded_by == "c2"


def test_a_command_is_answered_once(client: Any, session: CommandRef) -> None:
    commands = Commands(table(client, "commands"))
    accepted(client, session, 1)
    assert session in list(commands.unanswered(2))
    assert session not in list(commands.unanswered(1))
    response = Response(
        client_id="amelia",
        session_id=session.session_id,
        command_id="c1",
        timestamp=1,
        success=True,
        status=ResponseStatus.SUCCEEDED,
        cost_usd=0.1,
    )
    assert commands.fix_response(session, response)
    assert not commands.fix_response(session, response) and not commands.fix_response(
        CommandRef.beside(session, "c2"), response
    )
    assert commands.mark_answered(session, 7) and not commands.mark_answered(session, 8)
    known = commands.read(session)
    assert known and (known.answered_at, known.open, known.response) == (7, None, response)
    assert session not in list(commands.unanswered(2))
    assert commands.supersede(session, "c2") is None


def test_parts_of_a_command(client: Any, session: CommandRef) -> None:
    commands = Commands(table(client, "commands"))
    part = PushResult(commit="c", branch="b", pushed=True, seconds=0.5)
    assert not commands.record_part(session, "push", part)
    accepted(client, session, 1)
    assert commands.record_part(session, "push", part)
    assert not commands.record_part(session, "push", part, if_absent=True)
    assert commands.set_commit_message(session, "Subject\n")
    assert commands.set_covers(session, ["c-2", "c-1"])
    assert not commands.set_covers(CommandRef.beside(session, "c9"), ["c1"])
    assert commands.note_spending(session, Decimal("0.5"))
    assert not commands.note_spending(session, Decimal("0.4"))
    known = commands.read(session)
    assert known and (known.push, known.commit_message, known.spent_usd) == (part, "Subject\n", 0.5)
    assert known.covers == ["c-2", "c-1"]
    error = ErrorInfo.of(ErrorCode.INVALID_MESSAGE, "no")
    assert not commands.reject(command(session, 1, rejection=error)), "accepted already"
    assert commands.reject(command(session, 0, rejection=error))
    assert commands.reject(command(session, 0, rejection=error)), "not answered yet"


def test_deployments_newest_first(client: Any, session: CommandRef) -> None:
    deployments = Deployments(table(client, "deployments"))

    def record(number: int, command_id: str = "c") -> DeploymentRecord:
        counts = dict.fromkeys(("files", "bytes", "uploaded", "deleted", "unchanged"), 0)
        return DeploymentRecord(
            client_id=session.session_id,
            deployment_id=f"d{number}",
            session_id="s",
            command_id=command_id,
            commit=None,
            created_at=number,
            deploy_success=True,
            manifest_key="m",
            **counts,
        )

    assert all(deployments.put(record(number)) for number in (1, 2, 3))
    assert deployments.put(record(1)) and not deployments.put(record(1, "other"))
    assert [r.deployment_id for r in deployments.newest_first(session.session_id, page=2)] == ["d3", "d2", "d1"]
    assert deployments.note_drift(session.session_id, "d1", ["a"], 2) and not deployments.note_drift(
        session.session_id, "d9", [], 0
    )
    assert deployments.retire(session.session_id, "d1", 5) and not deployments.retire(session.session_id, "d9", 5)
    first = deployments.read(session.session_id, "d1")
    assert first and (first.drift, first.drift_count, first.manifest_key, first.ttl) == (["a"], 2, None, 5)
