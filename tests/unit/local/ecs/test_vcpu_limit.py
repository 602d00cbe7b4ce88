"""The local ECS refuses RunTask beyond a limit of vCPUs, in the words and in the way of AWS."""

import json
from pathlib import Path
from typing import Any

import pytest
from ministack.services import ecs, stepfunctions  # type: ignore[import-untyped]

from sitewright.local.ecs import vcpu_limit
from sitewright.local.ecs.vcpu_limit import REASON, VcpuLimit
from sitewright.local.emulator import run_task_limit
from sitewright.local.emulator.run_task_limit import RUN_TASK

ARN = "arn:aws:ecs:us-west-2:000000000000:task-definition"
AMELIA, BRUNO = f"{ARN}/sitewright-amelia:3", f"{ARN}/sitewright-bruno:1"


def task(definition: str = AMELIA, cpu: str = "2048") -> dict[str, str]:
    return {"taskDefinitionArn": definition, "cpu": cpu}


def test_the_limit_counts_the_vcpus_of_running_tasks() -> None:
    limit = VcpuLimit(6)
    assert not limit.refuses([task(), task(BRUNO)], task())
    assert limit.refuses([task(), task(BRUNO), task()], task())
    assert not limit.refuses([task(), task(BRUNO, "1024")], task())


def test_a_limit_of_one_family_leaves_the_others_alone() -> None:
    limit = VcpuLimit(2, "sitewright-amelia")
    assert limit.refuses([task()], task())
    assert not limit.refuses([task()], task(BRUNO))
    assert not limit.refuses([task(BRUNO)], task())


def test_a_file_has_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "limit"
    assert vcpu_limit.read(file) is None
    vcpu_limit.write(file, VcpuLimit(4, "f"))
    assert vcpu_limit.read(file) == VcpuLimit(4, "f")
    file.write_text("{")
    assert vcpu_limit.read(file) is None


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """MiniStack's ECS with a definition of 2 vCPUs, and the file of the limit."""
    monkeypatch.setattr(ecs, "_run_task", ecs._run_task)
    monkeypatch.setitem(ecs._ACTION_MAP, "RunTask", ecs._run_task)
    monkeypatch.setitem(stepfunctions._SERVICE_DISPATCH, RUN_TASK, stepfunctions._SERVICE_DISPATCH[RUN_TASK])
    monkeypatch.setattr(ecs, "_get_docker", lambda: None)
    container = {"name": "workspace", "image": "x"}
    ecs._register_task_definition({"family": "amelia", "cpu": "2048", "containerDefinitions": [container]})
    run_task_limit.install(tmp_path / "limit")
    return tmp_path / "limit"


def run(**more: Any) -> dict[str, Any]:
    status, _, body = ecs._ACTION_MAP["RunTask"]({"cluster": "c", "taskDefinition": "amelia", **more})
    assert status == 200
    answer: dict[str, Any] = json.loads(body)
    return answer


def test_run_task_answers_200_with_a_failure_and_starts_nothing(limited: Path) -> None:
    before = len(ecs._tasks)
    first = run()["tasks"][0]["taskArn"]
    vcpu_limit.write(limited, VcpuLimit(2, "amelia"))
    refused = run()
    assert (refused["tasks"], [each["reason"] for each in refused["failures"]]) == ([], [REASON])
    assert len(ecs._tasks) == before + 1
    ecs._stop_task({"cluster": "c", "task": first})
    assert run()["failures"] == []


def test_the_stacks_own_limit_holds_while_there_is_no_file(limited: Path) -> None:
    run_task_limit.install(limited, VcpuLimit(0))
    assert run()["failures"]
    vcpu_limit.write(limited, VcpuLimit(1_000))
    assert not run()["failures"]


def test_a_state_fails_by_it_as_on_aws(limited: Path) -> None:
    vcpu_limit.write(limited, VcpuLimit(0))
    with pytest.raises(stepfunctions._ExecutionError) as failed:
        stepfunctions._SERVICE_DISPATCH[RUN_TASK](RUN_TASK, {"Cluster": "c", "TaskDefinition": "amelia"})
    assert failed.value.error == "AmazonECS.Unknown"
    assert REASON in failed.value.cause
