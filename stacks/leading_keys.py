"""The IAM condition that cuts a right on the tables of sessions and commands to one client's items."""

from typing import Any

from sitewright.tables.keys import of_client


def own_items(client_id: str) -> dict[str, Any]:
    """Returns the condition: each partition key of the request is one of the client's.

    Source: DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control". ForAllValues also holds
    for a request without the key, so the Null check demands it (IAM User Guide, "Multivalued context keys").
    """
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [of_client(client_id)]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
