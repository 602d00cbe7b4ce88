"""A command's cost is counted with its response, exactly once. Runs on the double and on moto."""

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sitewright.contracts.messages import Response, ResponseStatus
from sitewright.contracts.records import CommandRecord
from sitewright.retry import Backoff
from sitewright.tables.answer_transaction import record_answer
from sitewright.tables.commands import Commands
from sitewright.tables.keys import CommandRef
from sitewright.tables.spending import Spending, month_of
from sitewright.tables.table import Table
from tests.support.dynamodb_double import DynamoDB, DynamoDBClient

NOVEMBER = 1_795_000_000_000  # 2026-11-18 UTC
DECEMBER_1 = 1_796_083_200_000  # 2026-12-01 00:00 UTC


class Site:
    """A client with a name of its own, because moto's tables are shared."""

    def __init__(self, client: Any, name: str) -> None:
        backoff = Backoff(1, 0.001, 0.01)
        self.commands = Commands(Table(client, "commands", backoff))
        self.spending = Spending(Table(client, "spending", backoff))
        self.name = name

    def ids(self, command: str) -> CommandRef:
        return CommandRef(self.name, "s", command)

    def accept(self, *commands: str) -> None:
        for command in commands:
            record = CommandRecord(
                client_id=self.name, session_id="s", command_id=command, accepted_at=1, rejection=None
            )
            assert self.commands.reject(record)

    def answer(self, command: str, usd: float | None, at: int = NOVEMBER) -> bool:
        response = Response(
            client_id=self.name,
            session_id="s",
            command_id=command,
            timestamp=at,
            success=True,
            status=ResponseStatus.SUCCEEDED,
            cost_usd=usd,
        )
        return record_answer(self.commands, self.spending, self.ids(command), response)

    def spent(self, month: str = "2026-11") -> Decimal:
        return self.spending.of_month(self.name, month)


@pytest.fixture
def site(client: Any, request: pytest.FixtureRequest) -> Site:
    return Site(client, str(abs(hash(request.node.name))))


def test_the_costs_of_a_month_add_up(site: Site) -> None:
    site.accept("a", "b", "c")
    assert site.spent() == 0
    assert all(site.answer(command, 0.1) for command in ("a", "b", "c"))
    assert site.spent() == Decimal("0.3")


def test_a_second_answer_counts_nothing_and_changes_nothing(site: Site) -> None:
    site.accept("a")
    assert site.answer("a", 0.5)
    assert not site.answer("a", 9.0)
    assert site.spent() == Decimal("0.5")
    known = site.commands.read(site.ids("a"))
    assert known and known.response and known.response.cost_usd == 0.5


def test_an_unknown_command_costs_nothing(site: Site) -> None:
    assert not site.answer("nobody", 0.5)
    assert site.spent() == 0


@pytest.mark.parametrize("usd", [None, 0.0, -5.0, 1e-9])
def test_what_costs_nothing_is_answered_and_not_counted(site: Site, usd: float | None) -> None:
    site.accept("a")
    assert site.answer("a", usd)
    assert site.spent() == 0


def test_a_month_begins_at_midnight_utc(site: Site) -> None:
    site.accept("a", "b")
    site.answer("a", 1.0, DECEMBER_1 - 1)
    site.answer("b", 2.0, DECEMBER_1)
    assert (month_of(DECEMBER_1 - 1), month_of(DECEMBER_1)) == ("2026-11", "2026-12")
    assert (site.spent(), site.spent("2026-12")) == (1, 2)


def cancelled(code: str) -> ClientError:
    error: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": "None"}, {"Code": code}],
    }
    return ClientError(error, "TransactWriteItems")


def test_two_commands_that_end_together_are_both_counted() -> None:
    dynamodb = DynamoDB()
    site = Site(DynamoDBClient(dynamodb), "amelia")
    site.accept("a")
    left = [cancelled("TransactionConflict"), cancelled("ThrottlingError")]

    def interfere(call: Any) -> Any:
        if left:
            raise left.pop()
        return call()

    dynamodb.interfere = interfere
    assert site.answer("a", 0.5) and not left
    dynamodb.interfere = lambda call: call()
    assert site.spent() == Decimal("0.5")


def test_an_answer_that_was_lost_is_not_counted_again() -> None:
    dynamodb = DynamoDB()
    site = Site(DynamoDBClient(dynamodb), "amelia")
    site.accept("a")
    lost = [True]

    def interfere(call: Any) -> Any:
        answer = call()
        if lost:
            lost.pop()
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "TransactWriteItems")
        return answer

    dynamodb.interfere = interfere
    assert not site.answer("a", 0.5), "the repetition finds the first write"
    dynamodb.interfere = lambda call: call()
    assert site.spent() == Decimal("0.5")
    known = site.commands.read(site.ids("a"))
    assert known and known.response
