"""Answers a command: fixes its response and counts its cost, in one transaction over two tables."""

from decimal import Decimal

from botocore.exceptions import ClientError

from sitewright.contracts.messages import Response
from sitewright.retry import error_code, is_transient, retry
from sitewright.tables.commands import Commands, fixing
from sitewright.tables.keys import CommandIds, command_key, spending_key
from sitewright.tables.spending import Spending, counting, month_of
from sitewright.tables.table import serialized

_CANCELED = "TransactionCanceledException"
_FAILED = "ConditionalCheckFailed"


def record_answer(commands: Commands, spending: Spending, ids: CommandIds, response: Response) -> bool:
    """Records the response before it is sent, and counts its cost in the month of its timestamp (UTC).

    Returns False if a response is recorded already, or there is no such command. Then nothing is counted, so a command's
    cost is counted exactly once, however often it is answered. Raises botocore's exceptions.
    """
    usd = Decimal(f"{response.cost_usd or 0:.6f}")
    # The workspace notes the cost. Only what is positive counts, so a forged note never lowers the sum.
    if ids.client_id is None or usd <= 0:
        return commands.fix_response(ids, response)
    table = commands.table
    items = [
        {
            "Update": {
                "TableName": table.name,
                "Key": serialized(command_key(ids)),
                **fixing(response).arguments(),
            }
        },
        {
            "Update": {
                "TableName": spending.table.name,
                "Key": serialized(spending_key(ids.client_id, month_of(response.timestamp))),
                **counting(usd, response.timestamp).arguments(),
            }
        },
    ]
    try:
        retry(
            lambda: table.client.transact_write_items(TransactItems=items),  # type: ignore[arg-type]
            table.backoff,
            retryable=_may_pass,
            sleep=table.sleep,
        )
    except ClientError as error:
        if _FAILED not in _reasons(error):
            raise
        return False
    return True


def _may_pass(error: BaseException) -> bool:
    """Tells whether the transaction may succeed later. Two commands of a client that end together meet at the month."""
    if error_code(error) == _CANCELED:
        return _FAILED not in _reasons(error)
    return is_transient(error)


def _reasons(error: BaseException) -> set[str]:
    """Returns the codes of a cancelled transaction's reasons (DynamoDB API reference, TransactWriteItems)."""
    if not isinstance(error, ClientError):
        return set()
    reasons: list[dict[str, str]] = error.response.get("CancellationReasons") or []  # type: ignore[assignment]
    return {str(reason.get("Code")) for reason in reasons}
