"""Every shape that a step may return: no expression of the state machine fails, and no output is too large."""

from itertools import product
from typing import Any

import pytest

from stacks.site.workflow import definition
from tests.support.stacks.asl import Walk
from tests.support.stacks.workflow_parts import PARTS

MISSING = object()
VALUES: list[Any] = [MISSING, None, True, False, 0, 2, -1, "", "2", [], ["a"], [1, 2], {}, {"a": None}]
"""What a name of a result may have: nothing, null, and each type of JSON."""

WHOLE: list[Any] = [None, True, 3, "text", [], [{}], {}]
"""Results that are no object with names."""

INPUT = {"sessionId": "s", "commandId": "c", "clientId": "amelia", "chatThreadId": "t", "generation": 3}
MACHINE = definition(PARTS)


def walk(**variables: Any) -> Walk:
    made = Walk(MACHINE, INPUT)
    made.variables = {"agent": {}, "build": {}, "repair": None, "repairs": 0, "edit": {}, "sync": None, **variables}
    return made


def results(*names: str) -> list[Any]:
    """Returns a result for each combination of the names' values."""
    return WHOLE + [
        {name: value for name, value in zip(names, values, strict=True) if value is not MISSING}
        for values in product(VALUES, repeat=len(names))
    ]


def named(result: Any, name: str) -> Any:
    return result.get(name) if isinstance(result, dict) else None


def is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def test_the_first_choice_takes_any_input() -> None:
    for prepare in VALUES:
        given = INPUT if prepare is MISSING else {**INPUT, "prepare": prepare}
        following, _ = Walk(MACHINE, given).enter("IsPreparation", None)
        assert following == ("Prepare" if prepare is True else "Agent"), prepare


@pytest.mark.parametrize("agent", results("filesChangedCount"), ids=repr)
def test_the_choice_after_the_agent_takes_any_result(agent: Any) -> None:
    following, _ = walk(agent=agent).enter("HasChanges", None)
    assert following == ("WriteCommitMessage" if is_positive(named(agent, "filesChangedCount")) else "Build")


def test_the_choice_after_the_build_takes_any_result() -> None:
    for build, count in product(results("deploySuccess", "brokenByEdit"), VALUES):
        agent = {} if count is MISSING else {"filesChangedCount": count}
        following, _ = walk(build=build, agent=agent).enter("IsPublished", None)
        broken = named(build, "brokenByEdit") is True and is_positive(agent.get("filesChangedCount"))
        expected = "RecordSync" if named(build, "deploySuccess") is True else "Repair" if broken else "Push"
        assert following == expected, (build, agent)


@pytest.mark.parametrize("repair", results("changed"), ids=repr)
def test_the_choice_after_the_repair_takes_any_result(repair: Any) -> None:
    following, _ = walk(repair=repair).enter("HasRepaired", None)
    assert following == ("WriteCommitMessage" if named(repair, "changed") is True else "Push")


def test_each_function_takes_any_result() -> None:
    for edit in [*WHOLE, *results("filesChanged"), *results("filesChangedCount"), *results("summary")]:
        payload = walk(edit=edit).arguments("WriteCommitMessage", None, "token")["Payload"]
        assert isinstance(payload["filesChanged"], list)
        assert isinstance(payload["filesChangedCount"], int)
        assert isinstance(payload["summary"], str)
    for build in results("deploySuccess"):
        assert walk(build=build).arguments("RecordSync", None, "token")["Payload"]["build"] == build


@pytest.mark.parametrize("state", ["AgentInNewWorkspace", "BuildInNewWorkspace", "RepairInNewWorkspace", "Push"])
@pytest.mark.parametrize("result", WHOLE, ids=repr)
def test_each_step_may_return_anything(state: str, result: Any) -> None:
    made = walk()
    made.succeed(state, None, result)
    assert result in made.variables.values()


@pytest.mark.parametrize("result", WHOLE, ids=repr)
def test_a_run_of_any_results_ends(result: Any) -> None:
    made = walk(agent=result, build=result, repair=result, sync=result, push=result, commitMessage=result)
    _, output = made.enter("Done", None)
    assert output["build"] == result
