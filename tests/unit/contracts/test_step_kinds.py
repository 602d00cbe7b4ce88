"""Every step is registered, and the command's item has an attribute for its result."""

import pytest
from workspace.steps.step_registry import STEPS

from sitewright.contracts.records import CommandRecord
from sitewright.contracts.steps import STEP_KINDS, StepName


def test_every_step_has_a_kind_and_a_function() -> None:
    assert set(STEP_KINDS) == set(STEPS) == set(StepName)


@pytest.mark.parametrize("step", StepName)
def test_the_commands_item_keeps_the_result(step: StepName) -> None:
    kind = STEP_KINDS[step]
    annotation = CommandRecord.model_fields[kind.attribute].annotation
    assert annotation == (kind.result | None)


@pytest.mark.parametrize("step", StepName)
def test_a_step_function_returns_the_result_of_its_kind(step: StepName) -> None:
    assert STEPS[step].__annotations__["return"] is STEP_KINDS[step].result
