"""The output of a run for the worst results that its steps may return."""

import json
from typing import Any

import pytest

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.result_size import RESULT_BYTES, size, within
from sitewright.contracts.steps import AgentResult, BuildResult, PushResult, RepairResult, SyncResult

WORST = ['"', "\\", "\x01", "\u2028", "é", "😀", "a"]
"""Characters that JSON, its escaping or UTF-8 makes longer."""

STATE_BYTES = 262_144
EVENT_BYTES = 248_000


def worst(char: str) -> dict[str, Contract]:
    error = ErrorInfo.of(ErrorCode.BUILD_FAILED, char * 5_000)
    agent: dict[str, Any] = {
        "files_changed": [char * 1_024] * 200,
        "files_changed_count": 2_000,
        "summary": char * 50_000,
        "conversation_id": char * 1_000,
    }
    return {
        "agent": AgentResult(**agent),
        "repair": RepairResult(**agent, changed=True, error=error),
        "build": BuildResult(lost=[char * 1_024] * 50, lost_count=50, error=error, notes=[char * 500] * 100),
        "sync": SyncResult(deployment_id="d", files=1, bytes=1, drift=[char * 1_024] * 50, drift_count=50),
        "push": PushResult(commit="c" * 40, branch=char * 5_000, error=error),
    }


@pytest.mark.parametrize("char", WORST, ids=ascii)
def test_the_output_of_a_run_fits_its_state_and_its_event(char: str) -> None:
    done = {name: json.loads(within(result).to_json()) for name, result in worst(char).items()}
    output = json.dumps({**done, "commitMessage": char * 100}, ensure_ascii=False)
    assert len(output.encode()) < STATE_BYTES
    assert len(json.dumps(output, ensure_ascii=False).encode()) < EVENT_BYTES


@pytest.mark.parametrize("char", WORST, ids=ascii)
@pytest.mark.parametrize("name", ["agent", "repair", "build", "sync", "push"])
def test_a_result_is_cut_to_its_room_and_stays_a_result(char: str, name: str) -> None:
    given = worst(char)[name]
    cut = within(given)
    assert min(size(given), RESULT_BYTES) / 4 < size(cut) <= RESULT_BYTES
    assert type(given).model_validate_json(cut.to_json()) == cut


def test_counts_and_codes_stay() -> None:
    cut = {name: within(result) for name, result in worst("x").items()}
    agent, build, push = cut["agent"], cut["build"], cut["push"]
    assert isinstance(agent, AgentResult) and agent.files_changed_count == 2_000 and agent.files_changed
    assert isinstance(build, BuildResult) and build.error and build.error.code is ErrorCode.BUILD_FAILED
    assert isinstance(push, PushResult) and push.commit == "c" * 40


def test_a_usual_result_is_left_alone() -> None:
    result = AgentResult(files_changed=["src/pages/index.astro"] * 100, summary="s" * 16_000)
    assert within(result) is result
