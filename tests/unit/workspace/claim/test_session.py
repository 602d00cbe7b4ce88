"""Claim, refresh, release, interrupt and loss of a claim, with moto's DynamoDB conditions."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws
from workspace.claim.claim_refresher import POLL_SECONDS, REFRESH_SECONDS, ClaimRefresher
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, StepFailed, StopReason
from workspace.lifecycle.task_heartbeat import Heartbeat
from workspace.system.stop import Stop

from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import PushResult, StepName
from sitewright.tables.sessions import CLAIM_SECONDS
from tests.support.workspace.runner_parts import TestClients, accept, make_tables, read_command, read_session, request


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clients() -> Iterator[TestClients]:
    with mock_aws():
        made = TestClients()
        make_tables(made.dynamodb)
        accept(made, "cmd-1", 1)
        yield made


def store(clients: TestClients, me: str = "ws-1", generation: int = 1, clock: Clock | None = None) -> SessionStore:
    wanted = request(StepName.AGENT, f"cmd-{generation}", generation)
    return SessionStore(clients, "sessions", "commands", wanted, me, now=clock or Clock(), sleep=lambda _: None)


def quiet(*_: Any, **__: Any) -> None:
    pass


def test_a_free_claim_is_taken_and_a_live_one_is_not(clients: TestClients) -> None:
    clock = Clock()
    ours, session = store(clients, clock=clock).claim()
    assert ours and session.workspace_id == "ws-1" and session.claim_generation == 1
    assert session.alive_until == int((clock.now + CLAIM_SECONDS) * 1000)
    ours, session = store(clients, "ws-2", clock=clock).claim()
    assert not ours and session.workspace_id == "ws-1"
    assert store(clients, "ws-1", clock=clock).claim()[0], "the holder may claim again"


def test_an_expired_claim_is_taken_and_its_workspace_is_fenced(clients: TestClients) -> None:
    clock = Clock()
    first, second = store(clients, clock=clock), store(clients, "ws-2", clock=clock)
    first.claim()
    clock.now += CLAIM_SECONDS + 1
    assert second.claim()[0]
    with pytest.raises(Fenced):
        first.refresh()
    with pytest.raises(Fenced):
        first.set_checkpoint("key", None)
    assert read_session(clients).checkpoint is None
    first.abandon()
    assert first.release_idle() and read_session(clients).workspace_id == "ws-2", (
        "a late end must not free another's claim"
    )


def test_release_idle_releases_the_claim_after_a_newer_command_too(clients: TestClients) -> None:
    mine = store(clients)
    mine.claim()
    accept(clients, "cmd-2", 2)
    assert mine.release_idle()
    session = read_session(clients)
    assert (session.workspace_id, session.alive_until, session.claim_generation) == (None, None, None)
    assert session.generation == 2


def test_fence(clients: TestClients) -> None:
    mine, stop = store(clients), Stop()
    fence = ClaimFence(mine, stop)
    mine.claim()
    assert fence.verify().generation == 1
    accept(clients, "cmd-2", 2)
    with pytest.raises(Fenced):
        fence.verify()
    assert stop.reason == "interrupt"
    assert fence.verify(allow_superseded=True).generation == 2
    fence.after_stop().check_stop()
    assert fence.after_stop().verify().generation == 2
    mine.abandon()
    with pytest.raises(Fenced):
        fence.after_stop().verify()
    assert stop.reason == "claim_lost"


def test_a_missing_session_or_command_is_named_in_the_error(clients: TestClients) -> None:
    nowhere = SessionStore(
        clients, "sessions", "commands", request(StepName.AGENT).model_copy(update={"session_id": "none"}), "ws"
    )
    with pytest.raises(StepFailed, match="none"):
        nowhere.claim()
    with pytest.raises(StepFailed, match="cmd-9"):
        store(clients, generation=9).read_command()


def test_results_are_recorded_on_the_command(clients: TestClients) -> None:
    result = PushResult(commit="c" * 40, branch="thread-t1", pushed=True, seconds=1.25)
    store(clients).record("push", result)
    assert read_command(clients, "cmd-1").push == result
    assert read_command(clients, "cmd-1").instruction == "Edit"


def conflict(times: int, clients: TestClients, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    real, left = clients.dynamodb.update_item, [times]

    def update(**values: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise error or ClientError(
                {"Error": {"Code": "TransactionConflictException", "Message": "busy"}}, "UpdateItem"
            )
        return real(**values)

    monkeypatch.setattr(clients.dynamodb, "update_item", update)


def test_transaction_conflicts_are_repeated(clients: TestClients, monkeypatch: pytest.MonkeyPatch) -> None:
    conflict(4, clients, monkeypatch)
    assert store(clients).claim()[0]


def test_the_refresher_notes_an_interrupt_and_goes_on(clients: TestClients) -> None:
    mine, stop = store(clients), Stop()
    mine.claim()
    refresher = ClaimRefresher(mine, stop, quiet)
    assert refresher.beat() and stop.reason is None
    accept(clients, "cmd-2", 2)
    assert refresher.beat() and stop.reason is StopReason.INTERRUPT


def test_the_refresher_notes_a_claim_that_was_cleared(clients: TestClients) -> None:
    mine, stop = store(clients), Stop()
    mine.claim()
    store(clients).abandon()
    assert not ClaimRefresher(mine, stop, quiet).beat()
    assert stop.reason is StopReason.CLAIM_LOST


def test_the_refresher_accepts_its_own_release(clients: TestClients) -> None:
    mine, stop = store(clients), Stop()
    mine.claim()
    refresher = ClaimRefresher(mine, stop, quiet)
    mine.abandon()
    assert not refresher.beat()
    assert stop.reason is None


def test_the_refresher_gives_up_when_the_claim_expires(clients: TestClients, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, stop, clock = store(clients), Stop(), Clock()
    mine.claim()
    refresher = ClaimRefresher(mine, stop, quiet, clock=clock)
    conflict(99, clients, monkeypatch, EndpointConnectionError(endpoint_url="http://x"))
    clock.now += CLAIM_SECONDS - 1
    assert refresher.beat() and stop.reason is None
    clock.now += 2
    assert not refresher.beat()
    assert stop.reason is StopReason.CLAIM_LOST


def counted(clients: TestClients, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    for name in ("update_item", "get_item"):
        real = getattr(clients.dynamodb, name)
        monkeypatch.setattr(
            clients.dynamodb, name, lambda real=real, name=name, **values: (calls.append(name), real(**values))[1]
        )
    return calls


def waiting(clients: TestClients, clock: Clock, seen: list[SessionRecord]) -> ClaimRefresher:
    """Returns the refresher of an idle workspace, after a refresh."""
    mine = store(clients)
    mine.claim()
    refresher = ClaimRefresher(mine, Stop(), quiet, clock=clock, seen=seen.append)
    refresher.follow(mine, Stop(), quiet, idle=True)
    assert refresher.beat()
    return refresher


def test_an_idle_refresher_only_reads_between_two_refreshes(
    clients: TestClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, seen = Clock(), []
    refresher = waiting(clients, clock, seen)
    calls = counted(clients, monkeypatch)
    for _ in range(4):
        clock.now += POLL_SECONDS
        assert refresher.beat()
    assert calls == ["get_item"] * 4 and len(seen) == 1
    clock.now += POLL_SECONDS
    assert refresher.beat()
    assert calls[4:] == ["update_item"] and len(seen) == 2


def test_a_change_found_by_a_peek_is_refreshed_at_once(clients: TestClients, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(), []
    refresher = waiting(clients, clock, seen)
    accept(clients, "cmd-2", 2)
    calls = counted(clients, monkeypatch)
    clock.now += POLL_SECONDS
    assert refresher.beat()
    assert calls == ["get_item", "update_item"]
    assert seen[-1].generation == 2


def test_a_failed_peek_does_not_lose_the_claim(clients: TestClients, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(), []
    refresher = waiting(clients, clock, seen)

    def refuse(**_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://x")

    monkeypatch.setattr(clients.dynamodb, "get_item", refuse)
    clock.now += POLL_SECONDS
    assert refresher.beat() and len(seen) == 1
    clock.now += REFRESH_SECONDS
    assert refresher.beat() and len(seen) == 2


def test_a_refresher_during_a_step_only_refreshes(clients: TestClients, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(), []
    refresher = waiting(clients, clock, seen)
    refresher.follow(store(clients), Stop(), quiet)
    calls = counted(clients, monkeypatch)
    clock.now += POLL_SECONDS
    assert refresher.beat()
    assert calls == ["update_item"]


def test_heartbeat_notes_a_token_that_is_gone(clients: TestClients) -> None:
    stop = Stop()
    heartbeat = Heartbeat(clients, "token", stop, quiet)
    assert heartbeat.beat() and stop.reason is None
    clients.sfn.gone = True
    assert not heartbeat.beat()
    assert stop.reason is StopReason.TOKEN_GONE
