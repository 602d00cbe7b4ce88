"""The task metadata endpoint, with the two fields that the workspace reads."""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sitewright.local.ecs.task import Task
from sitewright.local.machine.ports import LOOPBACK


def metadata_server(tasks: Mapping[str, Task], port: int) -> ThreadingHTTPServer:
    """Returns a server for `/v4/<task id>` and `/healthz`. It reads `tasks`, the running tasks by id, at each request."""

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            identity = self.path.strip("/").split("/")[1] if self.path.startswith("/v4/") else ""
            task = tasks.get(identity)
            body = json.dumps({"TaskARN": task.arn, "Cluster": task.task["clusterArn"]} if task else {}).encode()
            self.send_response(200 if task or self.path == "/healthz" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """No access log."""

    return ThreadingHTTPServer((LOOPBACK, port), Metadata)
