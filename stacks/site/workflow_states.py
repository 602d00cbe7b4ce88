"""The states of the two kinds of task, a step in a workspace and a Lambda function, with their retries and catches."""

from dataclasses import dataclass

from sitewright.contracts.names import WORKSPACE_CONTAINER
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import StepEnv, StepName
from sitewright.tables.keys import client_session_jsonata
from sitewright.tables.schema import offer_arguments
from stacks.jsonata import Json, shortened
from stacks.site.room_states import NOTHING_ASKED, no_room

HEARTBEAT_SECONDS = 180
"""Heartbeat of a step in a new workspace. The clock runs from RunTask, not from the first heartbeat.

So it covers a Fargate cold start, which takes 45-70 s with the image pull.
"""

OFFER_HEARTBEAT_SECONDS = 30
"""Heartbeat of an offered step. A live workspace takes an offer within half a second and sends a heartbeat every 5 s.

Without a heartbeat a fresh workspace starts.
"""

MARGIN_SECONDS = 1200
"""Seconds a step may take beyond its own time limit. The step's limit must fire first, because the step saves the work.

The state's clock runs from RunTask. These parts add up to 1,004 s:

- cold start: 180 s (HEARTBEAT_SECONDS, after which the state fails anyway)
- wait for another workspace's claim: 120 s
- first clone: 660 s (60 s of an unreachable host, then 600 s)
- ending the child processes: 9 s
- push of an older WIP commit: 15 s
- report: 20 s

The rest is for the publish after the build's limit, and for the checkpoint. A dead container does not use this margin:
its heartbeat stops.
"""

INPUT = "$states.context.Execution.Input"

RESULT = "{% $states.result %}"

ERROR = {
    "Error": f"{{% {shortened('$states.errorOutput.Error', 256)} %}}",
    # A cause has up to 32,768 characters (Step Functions API reference, SendTaskFailure), too many for a run's output.
    "Cause": f"{{% {shortened('$states.errorOutput.Cause', 2_000)} %}}",
}
"""A caught error for the output of a run."""


ECS_TRANSIENT = [
    "ECS.ServerException",
    "ECS.ThrottlingException",
    "ECS.LimitExceededException",
    "ECS.SdkClientException",
]

DYNAMODB_TRANSIENT = [
    # The workspace's refresh and intake's transaction write the same item.
    "DynamoDb.TransactionConflictException",
    "DynamoDb.ThrottlingException",
    "DynamoDb.ProvisionedThroughputExceededException",
    "DynamoDb.RequestLimitExceededException",
    "DynamoDb.InternalServerErrorException",
    "DynamoDb.SdkClientException",
]

LAMBDA_TRANSIENT = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]


@dataclass(frozen=True)
class WorkflowParts:
    """The ARNs (or their CDK tokens) and the limits in seconds that the definition contains."""

    partition: str
    cluster_arn: str
    task_family: str
    """The task definition's family, not a revision: a deployment deregisters the revision that a current run would use."""
    commit_message_arn: str
    record_sync_arn: str
    make_room_arn: str
    site_bucket: str
    sessions_table: str
    repair_attempts: int
    """How often the agent gets a build that its edit broke; 0 leaves the states out."""
    agent_seconds: int
    build_seconds: int
    push_seconds: int
    run_seconds: int


def in_workspace(
    parts: WorkflowParts,
    name: str,
    step: StepName,
    seconds: int,
    *,
    assign: str,
    then: str,
    on_failure: str,
    keep_error: bool = False,
    waits_for_room: bool = True,
    assigned: Json | None = None,
) -> Json:
    """Returns the two states of a step: `name` offers it to the session's workspace, `{name}InNewWorkspace` starts one.

    Without `waits_for_room` the run ends when ECS starts no further workspace: nobody has to leave for it.
    With `keep_error` a failure does not change the variable `failure`. `assigned` are further variables to assign.
    """
    failed = {"ErrorEquals": ["States.ALL"], "Next": on_failure} if keep_error else catch("States.ALL", on_failure)
    interrupted = {"ErrorEquals": [SfnError.INTERRUPTED], "Next": "Interrupted"}
    common = {"TimeoutSeconds": seconds + MARGIN_SECONDS, "Assign": {**(assigned or {}), assign: RESULT}, "Next": then}
    fresh = in_new_workspace(name)
    run = {**_run_task(parts, step), **common, "Catch": [interrupted, no_room(fresh, waits=waits_for_room), failed]}
    own_failure = {**failed, "ErrorEquals": [SfnError.STEP_FAILED, "States.Timeout"]}
    # After any other failure of an offer a fresh workspace does the step. If the old one still lives, it takes the step.
    unanswered = {"ErrorEquals": ["States.ALL"], "Assign": NOTHING_ASKED, "Next": fresh}
    lost = {**unanswered, "ErrorEquals": ["States.HeartbeatTimeout"]}
    offer = {**_offer(parts, step), **common, "Catch": [interrupted, lost, own_failure, unanswered]}
    return {name: offer, fresh: run}


def in_new_workspace(name: str) -> str:
    """Returns the name of the state that starts a workspace for a step."""
    return f"{name}InNewWorkspace"


def function(parts: WorkflowParts, arn: str, payload: Json, *, assign: str, then: str, catches: list[Json]) -> Json:
    """Returns the state that calls a function and assigns its answer to the variable `assign`."""
    return {
        "Type": "Task",
        "Resource": f"arn:{parts.partition}:states:::lambda:invoke",
        "TimeoutSeconds": 150,
        "Arguments": {"FunctionName": arn, "Payload": payload},
        "Assign": {assign: "{% $states.result.Payload %}"},
        "Retry": [
            {
                "ErrorEquals": LAMBDA_TRANSIENT,
                "IntervalSeconds": 1,
                "BackoffRate": 2,
                "MaxAttempts": 5,
                "JitterStrategy": "FULL",
            }
        ],
        "Catch": catches,
        "Next": then,
    }


def catch(error: str, state: str) -> Json:
    """Returns a catch that assigns the error to the variable `failure` and goes to a state."""
    return {
        "ErrorEquals": [error],
        "Assign": {
            "failure": {
                "Error": "{% $states.errorOutput.Error %}",
                "Cause": "{% $exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : '' %}",
            }
        },
        "Next": state,
    }


def _offer(parts: WorkflowParts, step: StepName) -> Json:
    """Returns the state that puts the step into the mailbox of the session's workspace, if its claim is live."""
    mailbox = {
        "step": step.value,
        "taskToken": "{% $states.context.Task.Token %}",
        "clientId": f"{{% {INPUT}.clientId %}}",
        "sessionId": f"{{% {INPUT}.sessionId %}}",
        "commandId": f"{{% {INPUT}.commandId %}}",
        "generation": f"{{% $string({INPUT}.generation) %}}",
    }
    key = client_session_jsonata(f"{INPUT}.clientId", f"{INPUT}.sessionId")
    return {
        "Type": "Task",
        "Resource": f"arn:{parts.partition}:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
        "HeartbeatSeconds": OFFER_HEARTBEAT_SECONDS,
        "Arguments": offer_arguments(parts.sessions_table, key, mailbox, now="{% $string($millis()) %}"),
        "Retry": [
            {
                "ErrorEquals": DYNAMODB_TRANSIENT,
                "IntervalSeconds": 1,
                "BackoffRate": 2,
                "MaxAttempts": 2,
                "JitterStrategy": "FULL",
            }
        ],
    }


def _run_task(parts: WorkflowParts, step: StepName) -> Json:
    """Returns the state that starts a fresh workspace with the step."""
    environment = {
        StepEnv.STEP: step.value,
        StepEnv.TASK_TOKEN: "{% $states.context.Task.Token %}",
        StepEnv.CLIENT_ID: f"{{% {INPUT}.clientId %}}",
        StepEnv.SESSION_ID: f"{{% {INPUT}.sessionId %}}",
        StepEnv.COMMAND_ID: f"{{% {INPUT}.commandId %}}",
        StepEnv.GENERATION: f"{{% $string({INPUT}.generation) %}}",
    }
    return {
        "Type": "Task",
        "Resource": f"arn:{parts.partition}:states:::ecs:runTask.waitForTaskToken",
        "HeartbeatSeconds": HEARTBEAT_SECONDS,
        "Arguments": {
            "Cluster": parts.cluster_arn,
            "TaskDefinition": parts.task_family,
            "LaunchType": "FARGATE",
            "PropagateTags": "TASK_DEFINITION",
            "NetworkConfiguration": {
                "AwsvpcConfiguration": {
                    "Subnets": f"{{% {INPUT}.network.subnets %}}",
                    "SecurityGroups": [f"{{% {INPUT}.network.securityGroup %}}"],
                    "AssignPublicIp": "ENABLED",
                }
            },
            "Overrides": {
                "ContainerOverrides": [
                    {
                        "Name": WORKSPACE_CONTAINER,
                        "Environment": [{"Name": name.value, "Value": value} for name, value in environment.items()],
                    }
                ]
            },
        },
        "Retry": [
            {
                "ErrorEquals": ECS_TRANSIENT,
                "IntervalSeconds": 5,
                "BackoffRate": 2,
                "MaxAttempts": 5,
                "JitterStrategy": "FULL",
            },
            {
                "ErrorEquals": [SfnError.CRASHED, SfnError.STOPPED, SfnError.BUSY, "States.HeartbeatTimeout"],
                "IntervalSeconds": 1,
                "BackoffRate": 2,
                "MaxAttempts": 2,
                "JitterStrategy": "FULL",
            },
        ],
    }
