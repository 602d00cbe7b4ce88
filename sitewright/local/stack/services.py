"""Starts the services of the local stack as detached processes, and stops them by their records."""

import os
import sys
import time
from pathlib import Path

import httpx

from sitewright.local.errors import ServiceFailed
from sitewright.local.machine.marked_processes import kill_until_none, processes_of_stack, processes_with_home
from sitewright.local.machine.ports import LOOPBACK
from sitewright.local.machine.service_environment import service_environment
from sitewright.local.machine.service_processes import ProcessRecord, start_detached, stop, tail
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

START_SECONDS = 40


def ensure(home: Home, name: str, arguments: list[str], *, url: str, extra: dict[str, str] | None = None) -> bool:
    """Starts `python -m …` unless it runs with the same arguments; True if it was started. Raises ServiceFailed."""
    path, fingerprint = home.run / f"{name}.json", " ".join(arguments)
    record = ProcessRecord.load(path)
    if record and record.alive:
        if record.fingerprint == fingerprint:
            return False
        stop([record], 5)
    log = home.log / f"{name}.log"
    env = {**service_environment(home, os.environ), **(extra or {})}
    record = start_detached(
        [sys.executable, "-m", *arguments], env=env, cwd=REPOSITORY_ROOT, log=log, fingerprint=fingerprint
    )
    record.save(path)
    try:
        _wait(name, record, url, log)
    except ServiceFailed:
        stop([record], 2)  # otherwise the next `up` would count it as running
        raise
    return True


def _wait(name: str, record: ProcessRecord, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            if record.alive:  # otherwise another program answers on the port
                return
        if not record.alive:
            break
    raise ServiceFailed(name, "did not come up", log, tail(log))


def running(home: Home, name: str) -> bool:
    """Whether a service's process lives."""
    record = ProcessRecord.load(home.run / f"{name}.json")
    return record is not None and record.alive


def stop_all(home: Home) -> int:
    """Stops the ECS service, which ends its tasks, then tasks, other services and unrecorded processes.

    Returns the number of stopped processes.
    """
    stopped = 0
    services = sorted(home.run.glob("*.json"), key=lambda p: p.stem != "ecs")
    groups = [services[:1], sorted(home.task_records.glob("*.json")), services[1:]] if services else []
    for paths in groups:
        records = [
            record
            for path in paths
            if (record := ProcessRecord.load(path)) and record.alive and record.pid != os.getpid()
        ]
        stop(records, 10)
        stopped += len(records)
        for path in paths:
            path.unlink(missing_ok=True)
    return stopped + kill_until_none(lambda: [*processes_of_stack(home.root), *processes_with_home(home.tasks)])


def loopback(port: int, path: str = "") -> str:
    """A URL on this machine."""
    return f"http://{LOOPBACK}:{port}{path}"
