"""The state machine that waits until an interrupted command's work is saved, and then has it answered. Pure.

A wait in a function would hold one of the account's concurrent executions for up to 25 s; a new account has 10. A state that
waits for a token costs nothing while it waits. The workspace that saves the work sends the token back, so no time is lost.
"""

from sitewright.contracts.names import ANSWER_SOURCE
from sitewright.tables.keys import client_session_jsonata
from sitewright.tables.schema import await_arguments
from stacks.jsonata import Json, is_true
from stacks.site.workflow_states import DYNAMODB_TRANSIENT

LOOK_SECONDS = 2
"""How often respond looks whether there is still anything to wait for. A workspace that died sends no token."""

RUN_SECONDS = 300
"""Limit of a whole wait. respond itself answers after SAVE_SECONDS; the sweep answers what is left."""

TOKEN = "{% $states.context.Task.Token %}"  # noqa: S105 - an expression
_INPUT = "$states.context.Execution.Input"


def answer_definition(partition: str, commands_table: str, respond_arn: str) -> Json:
    """Returns the state machine as a JSON document. Its input is an EndedRun."""
    session = client_session_jsonata(f"{_INPUT}.clientId", f"{_INPUT}.sessionId")
    return {
        "Comment": "Waits until an interrupted command's work is saved, then has the command answered",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": RUN_SECONDS,
        "StartAt": "WaitForSave",
        "States": {
            "WaitForSave": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
                "TimeoutSeconds": LOOK_SECONDS,
                "Arguments": await_arguments(commands_table, session, f"{{% {_INPUT}.commandId %}}", TOKEN),
                "Retry": [{"ErrorEquals": DYNAMODB_TRANSIENT, "IntervalSeconds": 1, "MaxAttempts": 2}],
                # The work is saved already (the condition is false), or the time is over.
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Answer"}],
                "Next": "Answer",
            },
            "Answer": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::lambda:invoke",
                "TimeoutSeconds": 150,
                "Arguments": {
                    "FunctionName": respond_arn,
                    "Payload": {"source": ANSWER_SOURCE, "detail": f"{{% {_INPUT} %}}"},
                },
                "Assign": {"reply": "{% $states.result.Payload %}"},
                "Retry": [
                    {
                        "ErrorEquals": ["States.ALL"],
                        "IntervalSeconds": 1,
                        "BackoffRate": 2,
                        "MaxAttempts": 5,
                        "JitterStrategy": "FULL",
                    }
                ],
                "Next": "IsAnswered",
            },
            "IsAnswered": {
                "Type": "Choice",
                "Choices": [{"Condition": f"{{% {is_true('$reply.answered')} %}}", "Next": "Answered"}],
                "Default": "WaitForSave",
            },
            "Answered": {"Type": "Succeed"},
        },
    }
