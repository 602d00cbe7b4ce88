"""The loop that starts, watches and stops the tasks which the emulator only records."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.local.aws_clients import Aws
from sitewright.local.ecs.event_faults import EventFaults
from sitewright.local.ecs.role_credentials import RoleCredentials
from sitewright.local.ecs.task import Json, Runtime, Task
from sitewright.local.ecs.task_logs import ship_logs
from sitewright.local.ecs.task_state_events import TaskStateEvents
from sitewright.local.machine.ports import LOOPBACK
from sitewright.local.machine.stack_home import Home

POLL_SECONDS = 0.1
ASK_SECONDS = 2.0
"""How often the emulator is asked for the tasks when it announced no change: each call costs two processes some ms."""
CLUSTER_SECONDS = 3.0
"""How long the list of clusters holds: it changes with a deployment only."""
KEEP_FOLDERS = 30
REPORT_TRIES = 5
END_SECONDS = 7.0
"""Below the 10 s after which `down` kills the ECS service itself."""


class TaskSupervisor:
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
        self.roles = RoleCredentials(aws, home)
        self.events = TaskStateEvents(aws, EventFaults(home.event_faults))
        self.cleaner = ThreadPoolExecutor(1, "cleaner")
        self._known_clusters: list[str] = []
        self._clusters_hold_until = 0.0
        self._asked_at = 0.0
        self._orders: str | None = None

    def run(self) -> None:
        """Polls until `ending` is set, then ends all tasks."""
        leftovers_cleared = False
        while not self.ending:
            try:
                self.round()
                if not leftovers_cleared:
                    self.runtime.clear(self.tasks)
                    leftovers_cleared = True
            except (BotoCoreError, ClientError, OSError) as error:
                print(f"a round failed: {error}", flush=True)
                time.sleep(1)
            time.sleep(POLL_SECONDS)
        self.end()

    def end(self) -> None:
        """Ends all tasks. Nothing is reported: the emulator ends too."""
        tasks = list(self.tasks.values())
        for task in tasks:
            task.stop()
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline and not all(task.over for task in tasks):
            time.sleep(0.05)
        self.cleaner.shutdown(wait=False, cancel_futures=True)
        for task in tasks:
            task.kill()
            task.remove()
        self.runtime.clear(self.tasks)

    def round(self) -> None:
        """Asks the emulator if tasks were ordered or stopped, or after a while; looks after the running tasks."""
        orders = self._read_orders()
        if orders is None or orders != self._orders or time.monotonic() - self._asked_at > ASK_SECONDS:
            self.poll()
            self._orders, self._asked_at = orders, time.monotonic()
        else:
            self._look_after()

    def _read_orders(self) -> str | None:
        try:
            return self.home.orders.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None  # another emulator, which announces nothing

    def poll(self) -> None:
        """Starts new tasks, stops tasks that ECS stopped, ships logs, reports ended tasks."""
        for cluster in self._clusters():
            arns = self._running(cluster)
            new = [arn for arn in arns if arn not in self.seen]
            if new:
                for data in self.aws.ecs.describe_tasks(cluster=cluster, tasks=new[:100])["tasks"]:
                    self._start(dict(data))
            for task in list(self.tasks.values()):
                if task.task["clusterArn"] == cluster and task.arn not in arns and self._stopped(task):
                    task.stop()
        self._look_after()

    def _look_after(self) -> None:
        for task in list(self.tasks.values()):
            over = task.over
            ship_logs(self.roles, task)
            if over:
                self._ended(task)

    def _clusters(self) -> list[str]:
        if not self._known_clusters or time.monotonic() > self._clusters_hold_until:
            pages = self.aws.ecs.get_paginator("list_clusters").paginate()
            self._known_clusters = [arn for page in pages for arn in page["clusterArns"]]
            self._clusters_hold_until = time.monotonic() + CLUSTER_SECONDS
        return self._known_clusters

    def _running(self, cluster: str) -> list[str]:
        # A task that is missing here counts as stopped, so every page is needed, not only the first 100 tasks.
        pages = self.aws.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="RUNNING")
        return [arn for page in pages for arn in page["taskArns"]]

    def _stopped(self, task: Task) -> bool:
        # The emulator's page token is an offset: a task that ends between two pages hides another one.
        found = self.aws.ecs.describe_tasks(cluster=task.task["clusterArn"], tasks=[task.arn])["tasks"]
        return not found or found[0].get("desiredStatus") == "STOPPED"

    def _start(self, data: Json) -> None:
        arn = data["taskArn"]
        identity = arn.rsplit("/", 1)[-1]
        definition = self.aws.ecs.describe_task_definition(taskDefinition=data["taskDefinitionArn"])["taskDefinition"]
        task = self.runtime.task(data, dict(definition), self._endpoints(identity))
        self.tasks[identity] = task
        self.seen.add(arn)
        if not task.adopted:
            threading.Thread(target=self._launch, args=(task,), daemon=True).start()

    def _endpoints(self, identity: str) -> dict[str, str]:
        # Fargate names the path alone (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI): its host is one for all tasks.
        base = f"http://{LOOPBACK}:{self.port}"
        return {
            "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{identity}",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{base}{self.roles.path(identity)}",
        }

    def _launch(self, task: Task) -> None:
        time.sleep(self.start_delay)
        task.start()
        task.started_at = datetime.now(UTC)

    def _ended(self, task: Task) -> None:
        task.kill()  # a container's end also ends background children of its command
        self.runtime.clear(self.tasks)
        with suppress(ClientError):
            self.aws.ecs.stop_task(cluster=task.task["clusterArn"], task=task.arn, reason="Essential container exited")
        task.reports += 1
        if not self.events.deliver(task.stopped_event()) and task.reports < REPORT_TRIES:
            return
        del self.tasks[task.id]
        self.roles.forget(task.id)
        task.remove()
        # In a thread: on a slow disk this takes many seconds, in which no task would start and no end be reported.
        self.cleaner.submit(self._clean, task.folder)

    def _clean(self, folder: Path) -> None:
        shutil.rmtree(folder / "site" / "node_modules", ignore_errors=True)
        with suppress(OSError):
            folders = sorted(self.home.tasks.iterdir(), key=lambda f: f.stat().st_mtime)
            for old in folders[:-KEEP_FOLDERS]:
                if old.name not in self.tasks:
                    shutil.rmtree(old, ignore_errors=True)
