"""The task metadata endpoint, with the two fields that the workspace reads, and the endpoint of task credentials."""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.local.ecs.role_credentials import RoleCredentials
from sitewright.local.ecs.task import Json, Task
from sitewright.local.machine.ports import LOOPBACK


class Endpoints:
    """The answers of both endpoints. `tasks` are the running tasks by id, read at each request."""

    def __init__(self, tasks: Mapping[str, Task], roles: RoleCredentials) -> None:
        self._tasks = tasks
        self._roles = roles

    def answer(self, path: str) -> tuple[int, Json]:
        """Returns status and body for a path."""
        if path == "/healthz":
            return 200, {}
        if path.startswith("/credentials/"):
            return self._credentials(path)
        identity = path.strip("/").split("/")[1] if path.startswith("/v4/") else ""
        task = self._tasks.get(identity)
        return (200, {"TaskARN": task.arn, "Cluster": task.task["clusterArn"]}) if task else (404, {})

    def _credentials(self, path: str) -> tuple[int, Json]:
        task = next((task for task in list(self._tasks.values()) if self._roles.path(task.id) == path), None)
        if task is None:
            return 404, {}
        role = str(task.definition["taskRoleArn"])
        try:
            found = self._roles.of_task(task.task, role)
        except (BotoCoreError, ClientError) as error:
            return 400, {"code": "CredentialsUnavailable", "message": str(error)}
        return 200, {
            "RoleArn": role,
            "AccessKeyId": found["AccessKeyId"],
            "SecretAccessKey": found["SecretAccessKey"],
            "Token": found["SessionToken"],
            "Expiration": found["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def metadata_server(tasks: Mapping[str, Task], roles: RoleCredentials, port: int) -> ThreadingHTTPServer:
    """Returns a server for `/v4/<task id>`, `/credentials/…` and `/healthz`."""
    endpoints = Endpoints(tasks, roles)

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = endpoints.answer(self.path)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """No access log."""

    return ThreadingHTTPServer((LOOPBACK, port), Metadata)
