"""The workspace's id."""

import http.client
import json
import uuid
from urllib.parse import urlsplit

from workspace.system.settings import Settings


def workspace_id(settings: Settings) -> str:
    """Returns the ECS task's ARN, which `task_stopped` compares with the claim. Outside ECS returns a random id."""
    if settings.metadata_uri:
        url = urlsplit(settings.metadata_uri)
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=2.0)
        try:
            connection.request("GET", f"{url.path}/task")
            arn = json.loads(connection.getresponse().read()).get("TaskARN")
        finally:
            connection.close()
        if arn:
            return str(arn)
    return f"workspace-{uuid.uuid4()}"
