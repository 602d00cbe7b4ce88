"""What moto 5.2.5 left out when it took LocalStack's interpreter of state machines, put back for the tests.

- JSONata: `_eval_jsonata` is None. LocalStack runs a Java program; here it is JSONata's reference implementation.
- RunTask: `_normalise_parameters` and `_normalise_response` do nothing, so `Cluster` never becomes boto3's `cluster`. LocalStack
  calls the two functions that stand beside them.
- SendTaskFailure: moto's API drops the cause. Its backend takes it.

Still different from AWS:

- A missing heartbeat is `States.Timeout` in a Catch too. AWS has `States.HeartbeatTimeout` there, and only there
  (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html). LocalStack's recording of AWS has
  `States.Timeout` in the history (`tests/aws/services/stepfunctions/v2/timeouts/test_heartbeats.snapshot.json`).
- A Fail state refuses an error that begins with `States.`. The language reserves the prefix; what AWS does is unconfirmed.
- A text variable with a quotation mark breaks the expressions after it: variables are written into them without escaping.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
    StateTaskServiceEcs,
)
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from tests.support.stacks.reference_jsonata import ReferenceJsonata
from tests.support.stacks.synthesized_templates import REGION


@contextmanager
def gaps_filled() -> Iterator[None]:
    """Makes moto's interpreter evaluate JSONata and run ECS tasks."""
    with ExitStack() as stack:
        evaluator = stack.enter_context(ReferenceJsonata())
        stack.enter_context(patch.object(jsonata, "_eval_jsonata", evaluator.evaluate))
        stack.enter_context(patch.object(StateTaskServiceEcs, "_normalise_parameters", _to_boto))
        stack.enter_context(patch.object(StateTaskServiceEcs, "_normalise_response", _from_boto))
        yield


def backend() -> StepFunctionsParserBackend:
    """Returns moto's Step Functions, for what its API drops."""
    found: StepFunctionsParserBackend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][REGION]
    return found


def _operation(action: str) -> Any:
    name = "".join(part.capitalize() for part in action.split("_"))
    return boto3.client("ecs", region_name=REGION).meta.service_model.operation_model(name)


def _to_boto(self: Any, parameters: Any, boto_service_name: Any = None, service_action_name: Any = None) -> None:
    self._to_boto_request(parameters, _operation(self._get_boto_service_action(service_action_name)).input_shape)


def _from_boto(self: Any, response: Any, boto_service_name: Any = None, service_action_name: Any = None) -> None:
    self._from_boto_response(response, _operation(self._get_boto_service_action(service_action_name)).output_shape)
