"""A vCPU quota for MiniStack's RunTask, and a state's failure by RunTask's `failures`. MiniStack lacks both."""

import json
import threading
from pathlib import Path
from typing import Any

from ministack.services import ecs, stepfunctions  # type: ignore[import-untyped]

from sitewright.local.ecs import vcpu_limit
from sitewright.local.ecs.vcpu_limit import VcpuLimit

RUN_TASK = "arn:aws:states:::ecs:runTask"


def install(path: Path, usual: VcpuLimit | None = None) -> None:
    """Makes RunTask answer with a failure beyond the limit in a file, or the usual one, and a state fail by it as on AWS.

    Source of the state's error: Step Functions developer guide, "Run Amazon ECS or Fargate tasks with Step Functions".
    """
    run_task, invoke = ecs._run_task, stepfunctions._SERVICE_DISPATCH[RUN_TASK]
    one_at_a_time = threading.Lock()

    def limited(data: dict[str, Any]) -> Any:
        with one_at_a_time:
            limit = vcpu_limit.read(path) or usual
            definition = ecs._task_defs.get(ecs._resolve_td_key(data.get("taskDefinition", "")))
            running = [task for task in list(ecs._tasks.values()) if task["desiredStatus"] == "RUNNING"]
            if limit and definition and limit.refuses(running, definition):
                answer = {"tasks": [], "failures": [{"reason": vcpu_limit.REASON}]}
                return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()
            return run_task(data)

    def failing(resource: str, given: Any) -> Any:
        result = invoke(resource, given)
        if result.get("failures"):
            raise stepfunctions._ExecutionError("AmazonECS.Unknown", json.dumps(result["failures"], ensure_ascii=False))
        return result

    ecs._run_task = limited
    ecs._ACTION_MAP["RunTask"] = limited
    stepfunctions._SERVICE_DISPATCH[RUN_TASK] = failing
