"""The deployed state machine in moto's interpreter: each scenario of a run ends as in the tests' own interpreter.

The two share no code, and evaluate JSONata with two implementations. moto's DynamoDB evaluates the offer's condition.
"""

import copy
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from sitewright.contracts.sfn_errors import SfnError
from stacks.site.workflow import definition
from tests.support.stacks.asl import Json, Outcome, Run, StatesError, interpret
from tests.support.stacks.moto_interpreter import MotoAccount, Script, moto_account
from tests.support.stacks.run_results import AGENT, BROKEN, BUILD, GOOD, INPUT, NETWORK, REFUSED, STEPS
from tests.support.stacks.workflow_parts import PARTS

NOTHING = {**AGENT, "filesChanged": [], "filesChangedCount": 0}
THROWN = StatesError("ValueError", '{"errorType":"ValueError","errorMessage":"no"}')
"""What a function's exception becomes: the cause is Lambda's answer."""
FAILED = StatesError(SfnError.STEP_FAILED, "first")


@dataclass(frozen=True)
class Scenario:
    """What differs from a run in which all goes well, and how the run ends."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    warm: bool = True
    """Whether a workspace lives when the run starts."""
    stays: bool = True
    """Whether a started workspace lives on after its step."""
    status: str = "SUCCEEDED"
    error: str | None = None
    last: str = "Done"


SCENARIOS = {
    "succeeded": Scenario(),
    "no change": Scenario({"Agent": [NOTHING]}),
    "repaired": Scenario({"Build": [BROKEN, BUILD]}),
    "not repaired": Scenario({"Build": [BROKEN], "Repair": [FAILED]}),
    "cold": Scenario(warm=False),
    "a task for each step": Scenario(warm=False, stays=False),
    "not recorded": Scenario({"RecordSync": [THROWN]}),
    "interrupted": Scenario(
        {"Build": [StatesError(SfnError.INTERRUPTED)]}, status="FAILED", error=SfnError.INTERRUPTED, last="Interrupted"
    ),
    "failed": Scenario({"Push": [FAILED]}, status="FAILED", error=SfnError.STEP_FAILED, last="Failed"),
    "salvaged": Scenario({"Agent": [FAILED]}, status="FAILED", error=SfnError.STEP_FAILED, last="Failed"),
    "not salvaged": Scenario(
        {"Build": [FAILED], "Salvage": [StatesError(SfnError.STEP_FAILED, "second")]},
        status="FAILED",
        error=SfnError.STEP_FAILED,
        last="Failed",
    ),
}


@pytest.fixture(scope="module")
def account() -> Iterator[MotoAccount]:
    logging.getLogger("moto").setLevel(logging.CRITICAL)  # it logs each error that a state catches
    with moto_account() as account:
        yield account


def _here(machine: Json, scenario: Scenario) -> Run:
    script: dict[str, list[Outcome]] = {**GOOD, **scenario.outcomes}
    script |= {f"{step}InNewWorkspace": script[step] for step in STEPS}
    if not scenario.warm:
        script |= {step: [REFUSED] for step in (STEPS if not scenario.stays else ("Agent",))}
    return interpret(machine, {**INPUT, "network": NETWORK}, script)


def _in_moto(account: MotoAccount, machine: Json, scenario: Scenario) -> Run:
    script = Script({**GOOD, **scenario.outcomes})
    values = {**INPUT, "network": NETWORK}
    return account.run(machine, values, script, warm=scenario.warm, stays=scenario.stays)


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_interpreters_agree_on_a_run(account: MotoAccount, name: str) -> None:
    scenario = SCENARIOS[name]
    there, here = _in_moto(account, definition(PARTS), scenario), _here(definition(PARTS), scenario)
    assert (there.status, there.error, there.path[-1]) == (scenario.status, scenario.error, scenario.last)
    assert there.path == here.path
    assert (there.status, there.error, there.cause) == (here.status, here.error, here.cause)
    assert there.output == here.output


def test_an_expression_without_a_value_fails_the_run(account: MotoAccount) -> None:
    machine = copy.deepcopy(definition(PARTS))
    del machine["States"]["Agent"]["Assign"]["sync"]
    unpublished = Scenario({"Build": [{**BUILD, "deploySuccess": False}]})
    there, here = _in_moto(account, machine, unpublished), _here(machine, unpublished)
    assert there.status == here.status == "FAILED"
    assert there.error == here.error == "States.QueryEvaluationError"
