"""`python -m sitewright.local.ecs`: the loop that starts, watches and reports tasks."""

import argparse
import contextlib
import json
import shutil
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.local.aws_clients import Aws
from sitewright.local.containers.container_engine import Engine
from sitewright.local.ecs.container_task import ContainerRuntime
from sitewright.local.ecs.event_faults import EventFaults
from sitewright.local.ecs.orphans import become_subreaper
from sitewright.local.ecs.process_task import ProcessRuntime
from sitewright.local.ecs.task import Json, Runtime, Task
from sitewright.local.machine.home import Home
from sitewright.local.machine.ports import LOOPBACK

POLL_SECONDS = 0.15
KEEP_FOLDERS = 30
REPORT_TRIES = 5
END_SECONDS = 7.0
"""Below the 10 s after which `down` kills the data plane itself."""


class DataPlane:
    """Runs the tasks of every cluster of the endpoint."""

    def __init__(self, aws: Aws, home: Home, port: int, start_delay: float, runtime: Runtime) -> None:
        self.aws = aws
        self.home = home
        self.port = port
        self.start_delay = start_delay
        self.tasks: dict[str, Task] = {}
        self.seen: set[str] = set()
        self.ending = False
        self.runtime = runtime
        self.faults = EventFaults(home.event_faults)
        self.cleaner = ThreadPoolExecutor(1, "cleaner")

    def run(self) -> None:
        """Polls until it is told to end; then stops what still runs."""
        accounted = False
        while not self.ending:
            try:
                self.poll()
                if not accounted:
                    self.runtime.clear(self.tasks)
                    accounted = True
            except (BotoCoreError, ClientError, OSError) as error:
                print(f"a round failed: {error}", flush=True)
                time.sleep(1)
            time.sleep(POLL_SECONDS)
        self.end()

    def end(self) -> None:
        """Ends all tasks; unreported, for the emulator goes too."""
        left = list(self.tasks.values())
        for task in left:
            task.stop()
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline and not all(task.over for task in left):
            time.sleep(0.05)
        self.cleaner.shutdown(wait=False, cancel_futures=True)
        for task in left:
            task.kill()
            task.remove()
        self.runtime.clear(self.tasks)

    def poll(self) -> None:
        """One round: new tasks, ended ones, logs."""
        for cluster in self._clusters():
            arns = self._running(cluster)
            new = [arn for arn in arns if arn not in self.seen]
            if new:
                for data in self.aws.ecs.describe_tasks(cluster=cluster, tasks=new[:100])["tasks"]:
                    self._start(dict(data))
            for task in list(self.tasks.values()):
                if task.task["clusterArn"] == cluster and task.arn not in arns and self._stopped(task):
                    task.stop()
        for task in list(self.tasks.values()):
            over = task.over
            self._ship(task)
            if over:
                self._ended(task)

    def _clusters(self) -> list[str]:
        pages = self.aws.ecs.get_paginator("list_clusters").paginate()
        return [arn for page in pages for arn in page["clusterArns"]]

    def _running(self, cluster: str) -> list[str]:
        # A task that is missing here is stopped: a page of 100 must not be taken for all of them.
        pages = self.aws.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="RUNNING")
        return [arn for page in pages for arn in page["taskArns"]]

    def _stopped(self, task: Task) -> bool:
        # Its token is an offset: a task that ends between two pages hides another one. The task itself knows.
        found = self.aws.ecs.describe_tasks(cluster=task.task["clusterArn"], tasks=[task.arn])["tasks"]
        return not found or found[0].get("desiredStatus") == "STOPPED"

    def _start(self, data: Json) -> None:
        arn = data["taskArn"]
        identity = arn.rsplit("/", 1)[-1]
        definition = self.aws.ecs.describe_task_definition(taskDefinition=data["taskDefinitionArn"])["taskDefinition"]
        task = self.runtime.task(data, dict(definition), f"http://{LOOPBACK}:{self.port}/v4/{identity}")
        self.tasks[identity] = task
        self.seen.add(arn)
        if not task.adopted:
            threading.Thread(target=self._launch, args=(task,), daemon=True).start()

    def _launch(self, task: Task) -> None:
        time.sleep(self.start_delay)
        task.start()

    def _ship(self, task: Task) -> None:
        lines = task.take_lines()
        options = task.container.get("logConfiguration", {}).get("options", {})
        if not lines or "awslogs-group" not in options:
            return
        group = options["awslogs-group"]
        stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{task.container['name']}/{task.id}"
        with contextlib.suppress(ClientError):
            self.aws.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        with contextlib.suppress(ClientError):
            self.aws.logs.put_log_events(
                logGroupName=group,
                logStreamName=stream,
                logEvents=[{"timestamp": at, "message": text or " "} for at, text in lines],
            )

    def _ended(self, task: Task) -> None:
        task.kill()  # as the container's end would: background children of the command go with it
        self.runtime.clear(self.tasks)
        with contextlib.suppress(ClientError):
            self.aws.ecs.stop_task(cluster=task.task["clusterArn"], task=task.arn, reason="Essential container exited")
        task.reports += 1
        if not self._deliver(task) and task.reports < REPORT_TRIES:
            return
        del self.tasks[task.id]
        task.remove()
        # Not here: on a slow disk it takes many seconds, in which no task would start and no end be reported.
        self.cleaner.submit(self._clean, task.folder)

    def _clean(self, folder: Path) -> None:
        shutil.rmtree(folder / "site" / "node_modules", ignore_errors=True)
        with contextlib.suppress(OSError):
            folders = sorted(self.home.tasks.iterdir(), key=lambda f: f.stat().st_mtime)
            for old in folders[:-KEEP_FOLDERS]:
                if old.name not in self.tasks:
                    shutil.rmtree(old, ignore_errors=True)

    def _deliver(self, task: Task) -> bool:
        detail, delivered = task.stopped_event(), True
        for seconds in self.faults.deliveries():
            if seconds:
                timer = threading.Timer(seconds, self._try_report, (detail,))
                timer.daemon = True
                timer.start()
            else:
                delivered = self._try_report(detail)
        return delivered

    def _try_report(self, detail: Json) -> bool:
        try:
            self._report(detail)
        except (BotoCoreError, ClientError) as error:
            print(f"the end of {detail['taskArn']} could not be reported: {error}", flush=True)
            return False
        return True

    def _report(self, detail: Json) -> None:
        """Hands the event to the targets of the aws.ecs rules: EventBridge refuses `aws.*` sources from PutEvents."""
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "ECS Task State Change",
            "source": "aws.ecs",
            "account": detail["taskArn"].split(":")[4],
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self.aws.region,
            "resources": [detail["taskArn"]],
            "detail": detail,
        }
        for rule in self.aws.events.list_rules()["Rules"]:
            pattern: Json = json.loads(rule.get("EventPattern") or "{}")
            clusters = pattern.get("detail", {}).get("clusterArn", [detail["clusterArn"]])
            enabled = rule.get("State", "ENABLED") != "DISABLED"
            if enabled and "aws.ecs" in pattern.get("source", []) and detail["clusterArn"] in clusters:
                for target in self.aws.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                    self.aws.functions.invoke(
                        FunctionName=target["Arn"], InvocationType="Event", Payload=json.dumps(event).encode()
                    )


def metadata_server(plane: DataPlane) -> ThreadingHTTPServer:
    """The task metadata endpoint, as far as the workspace asks it."""

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            identity = self.path.strip("/").split("/")[1] if self.path.startswith("/v4/") else ""
            task = plane.tasks.get(identity)
            body = json.dumps({"TaskARN": task.arn, "Cluster": task.task["clusterArn"]} if task else {}).encode()
            self.send_response(200 if task or self.path == "/healthz" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """No access log."""

    return ThreadingHTTPServer((LOOPBACK, plane.port), Metadata)


def _runtime(options: argparse.Namespace, home: Home) -> Runtime:
    if options.engine:
        # No subreaper: what Podman leaves running beside each container would be taken for an orphan.
        engine = Engine.parse(options.engine)
        return ContainerRuntime(engine, home, options.endpoint, options.region, limited=not options.no_limits)
    return ProcessRuntime(home, options.endpoint, options.region, subreaper=become_subreaper())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sitewright.local.ecs")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--start-delay", type=float, default=0.0, help="seconds; stands for Fargate's cold start")
    parser.add_argument("--engine", help="Docker's or Podman's command; without it tasks are host processes")
    parser.add_argument("--no-limits", action="store_true", help="the engine cannot limit memory and CPU")
    options = parser.parse_args()
    aws, home = Aws(options.endpoint, options.region), Home(options.home)
    plane = DataPlane(aws, home, options.port, options.start_delay, _runtime(options, home))

    def end(*_: object) -> None:
        plane.ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threading.Thread(target=metadata_server(plane).serve_forever, daemon=True).start()
    plane.run()


if __name__ == "__main__":
    main()
