"""MiniStack's own command, with the parts that it lacks. It takes its settings from the environment."""

import os
from pathlib import Path

from sitewright.local.ecs.vcpu_limit import VcpuLimit
from sitewright.local.emulator import callbacks, function_layers, old_versions, run_task_limit, task_orders
from sitewright.local.emulator.identity import enforcement
from sitewright.local.emulator.identity.decision_log import DecisionLog
from sitewright.local.machine.service_environment import (
    DECISIONS_FILE,
    HEARTBEAT_AT_MOST,
    ORDERS_FILE,
    VCPU_LIMIT,
    VCPU_LIMIT_FILE,
)


def main() -> None:
    """Serves until SIGTERM."""
    from ministack.app import main as serve  # type: ignore[import-untyped]  # noqa: PLC0415 - reads the environment when imported

    limit = os.environ.get(HEARTBEAT_AT_MOST)
    callbacks.install(float(limit) if limit else None)
    old_versions.install()
    if limit_file := os.environ.get(VCPU_LIMIT_FILE):
        vcpus = os.environ.get(VCPU_LIMIT)
        run_task_limit.install(Path(limit_file), VcpuLimit(float(vcpus)) if vcpus else None)
    function_layers.install()
    if orders := os.environ.get(ORDERS_FILE):
        task_orders.install(Path(orders))
    if decisions := os.environ.get(DECISIONS_FILE):
        enforcement.install(DecisionLog(Path(decisions)))
    serve()
