"""Key names, the index, and the expressions that the stacks need too. Pure: no boto3."""

from typing import Any

CLIENT_SESSION = "clientSession"
"""Partition key of sessions and commands. `keys.client_session` composes it."""

COMMAND_ID = "commandId"
CLIENT_ID = "clientId"
DEPLOYMENT_ID = "deploymentId"
MONTH = "month"

OPEN = "open"
"""Name and value of the attribute of an unanswered command. The answer removes it, so the index is sparse."""

ACCEPTED_AT = "acceptedAt"

OPEN_INDEX = "open-by-age"
"""Index of the commands table for the sweep: partition OPEN, sort ACCEPTED_AT. It has unanswered commands only."""

REFRESH = "SET aliveUntil = :until"
"""Extends the claim of a workspace. The cost page counts it apart."""

OFFER = "SET mailbox = :mail"
"""Puts a step into the mailbox of the session's workspace."""

CLAIM_IS_LIVE = "aliveUntil > :now AND generation = :generation"
"""Condition of an offer: a workspace has a live claim, and no newer command was accepted."""


def await_arguments(table: str, client_session: str, command_id: str, token: str) -> dict[str, Any]:
    """Returns the arguments of the UpdateItem that waits for an interrupted command's saved work.

    The condition is false if the work is saved already, or the command has its response. All but the table's name may be
    JSONata expressions.
    """
    return {
        "TableName": table,
        "Key": {CLIENT_SESSION: {"S": client_session}, COMMAND_ID: {"S": command_id}},
        "UpdateExpression": "SET answerToken = :token",
        "ConditionExpression": (
            "attribute_exists(commandId) AND attribute_not_exists(#response) "
            "AND (attribute_not_exists(interruption) OR interruption.pushing = :true)"
        ),
        "ExpressionAttributeNames": {"#response": "response"},
        "ExpressionAttributeValues": {":token": {"S": token}, ":true": {"BOOL": True}},
    }


def offer_arguments(table: str, client_session: str, mailbox: dict[str, str], now: str) -> dict[str, Any]:
    """Returns the arguments of the state machine's UpdateItem that offers a step to the session's workspace.

    Args:
        table: name of the sessions table.
        client_session: the session's partition key, a text or a JSONata expression.
        mailbox: the StepRequest: `step`, `taskToken`, `clientId`, `sessionId`, `commandId`, `generation`. Each value is a
            text or a JSONata expression.
        now: JSONata expression for the milliseconds since the epoch, as text.
    """
    generation = {"N": mailbox["generation"]}
    texts = {name: {"S": text} for name, text in mailbox.items() if name != "generation"}
    return {
        "TableName": table,
        "Key": {CLIENT_SESSION: {"S": client_session}},
        "UpdateExpression": OFFER,
        "ConditionExpression": CLAIM_IS_LIVE,
        "ExpressionAttributeValues": {
            ":mail": {"M": {**texts, "generation": generation}},
            ":now": {"N": now},
            ":generation": generation,
        },
    }
