"""What a stack still has after all sessions ended, and should not have."""

from collections import Counter
from typing import Any

from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from sitewright.local.machine.marked_processes import processes_with_home
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack_client import StackClient
from tools.chaos.random_kills import living_tasks

Json = dict[str, Any]
CLAIM = ("workspaceId", "aliveUntil", "mailbox", "serving")
"""Attributes of a session that only a living workspace has."""
QUEUES = ("input_queue_url", "response_queue_url", "dead_letter_queue_url")


def leftovers(home: Home, client: StackClient) -> dict[str, list[str]]:
    """Returns what is left, by promise."""
    tables = client.info["tables"]
    sessions, commands = _items(client, tables["sessions"]), _items(client, tables["commands"])
    deployments = _items(client, tables["deployments"])
    return {
        "no process of a workspace": [
            f"pid {p}" for p in sorted({*living_tasks(home), *processes_with_home(home.tasks)})
        ],
        "no run goes on": [run["run"] for run in client.runs(1000) if run["status"] == "RUNNING"],
        "no message in a queue": _messages(client),
        "no session is claimed": claimed(sessions),
        "every command is closed": open_commands(commands),
        "every item expires": without_ttl([*sessions, *commands]) + too_many_deployments(deployments),
    }


def claimed(sessions: list[Json]) -> list[str]:
    """Returns the sessions with an attribute of a living workspace. Pure."""
    return [f"{s['clientSession']}: {', '.join(left)}" for s in sessions if (left := [a for a in CLAIM if a in s])]


def open_commands(commands: list[Json]) -> list[str]:
    """Returns the commands without an answer, or still in the index of open ones. Pure."""
    return [c["commandId"] for c in commands if "open" in c or "answeredAt" not in c]


def without_ttl(items: list[Json]) -> list[str]:
    """Returns the items that DynamoDB would keep for ever. Pure."""
    return [f"{i['clientSession']} {i.get('commandId', '')}".strip() for i in items if "ttl" not in i]


def too_many_deployments(deployments: list[Json]) -> list[str]:
    """Returns the sites with more deployments than a rollback can restore. Pure."""
    kept = Counter(d["clientId"] for d in deployments if "ttl" not in d)
    return [
        f"{client}: {count} deployments do not expire" for client, count in kept.items() if count > DEPLOYMENTS_KEPT
    ]


def _items(client: StackClient, table: str) -> list[Json]:
    pages = client.aws.dynamodb_client.get_paginator("scan").paginate(TableName=table)
    # Only the names of the attributes and the keys matter, so the types stay as they come.
    return [
        {name: next(iter(value.values())) for name, value in item.items()} for page in pages for item in page["Items"]
    ]


def _messages(client: StackClient) -> list[str]:
    found = []
    for name in QUEUES:
        answer = client.aws.sqs.get_queue_attributes(QueueUrl=client.info[name], AttributeNames=["All"])
        # Visible ones, those that somebody has taken, and those that are delayed.
        counts = [int(v) for k, v in answer["Attributes"].items() if k.startswith("ApproximateNumberOfMessages")]
        if sum(counts):
            found.append(f"{name}: {sum(counts)}")
    return found
