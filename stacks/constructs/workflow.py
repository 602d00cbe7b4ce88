"""The state machine's definition in JSONata: pure, so that it can be read, validated and interpreted without a stack.

The Amazon States Language is written out here rather than composed of CDK's state classes: what an operator sees in the
console is then what stands here, and no class decides which query language a nested state speaks (aws-cdk 34352, 35403).
"""

from dataclasses import dataclass
from typing import Any

from contracts.errors import SfnError
from contracts.names import WORKSPACE_CONTAINER
from contracts.steps import StepEnv, StepName

Json = dict[str, Any]

HEARTBEAT_SECONDS = 180
"""Covers a Fargate cold start (45-70 s, image pull included): the clock runs from RunTask, not from the first heartbeat."""

OFFER_HEARTBEAT_SECONDS = 30
"""A living workspace sees an offer within half a second and beats every five. Without heartbeats a fresh one is started."""

MARGIN_SECONDS = 1200
"""What a step may take besides its own time limit, which must fire first because it saves the work.

The state's clock runs from RunTask: 180 s cold start (HEARTBEAT_SECONDS, after which the state fails anyway), 120 s wait
for another workspace's claim, 660 s first clone (60 s of a host that is down, then 600 s), 9 s to end the children, 15 s
to push an older WIP commit, 20 s report: 1,004 s. The rest is for the publish after the build's limit and the checkpoint.
A dead container costs none of this: its heartbeat stops.
"""

INPUT = "$states.context.Execution.Input"

NOTHING_YET = {"commitMessage": "{% null %}", "sync": "{% null %}", "repair": "{% null %}", "repairs": 0}
"""Variables that not every path assigns before they are read. An expression: CDK drops a plain null from an object."""

RESULT = "{% $states.result %}"

DONE = ("agent", "commitMessage", "build", "repair", "sync", "push")
"""What an operator reads as the output of a run."""

ECS_TRANSIENT = [
    # RunTask answers 200 with failures[] when capacity is short; the integration turns that into AmazonECS.Unknown.
    "AmazonECS.Unknown",
    "ECS.AmazonECSException",
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
    """What the definition refers to: ARNs (or CDK tokens of them) and limits in seconds."""

    partition: str
    cluster_arn: str
    task_family: str
    """The family, not a revision: a deployment deregisters the revision that a run under way would still ask for."""
    subnets: list[str]
    security_group: str
    commit_message_arn: str
    record_sync_arn: str
    site_bucket: str
    sessions_table: str
    idle_seconds: int
    repair_attempts: int
    """How often a build that the edit broke is given back to the agent; 0 leaves the states out."""
    agent_seconds: int
    build_seconds: int
    push_seconds: int
    run_seconds: int


def definition(parts: WorkflowParts) -> Json:
    """The state machine as a JSON document."""
    return {
        "Comment": "One run of one command: edit, commit, build and publish, check, push",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": parts.run_seconds,
        "StartAt": "Agent",
        "States": {
            **_step(
                parts,
                "Agent",
                StepName.AGENT,
                parts.agent_seconds,
                assign="agent",
                then="HasChanges",
                on_failure="Salvage",
                assigned={**NOTHING_YET, "edit": RESULT},
            ),
            "HasChanges": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $agent.filesChangedCount > 0 %}", "Next": "WriteCommitMessage"}],
                "Default": "Build",
            },
            "WriteCommitMessage": _function(
                parts,
                parts.commit_message_arn,
                {
                    "sessionId": f"{{% {INPUT}.sessionId %}}",
                    "commandId": f"{{% {INPUT}.commandId %}}",
                    "clientId": f"{{% {INPUT}.clientId %}}",
                    "filesChanged": "{% $edit.filesChanged %}",
                    "filesChangedCount": "{% $edit.filesChangedCount %}",
                    "summary": "{% $edit.summary %}",
                    "repairs": "{% $repairs %}",
                },
                assign="commitMessage",
                then="Build",
                catch=[_catch("States.ALL", "Salvage")],
            ),
            **_step(
                parts,
                "Build",
                StepName.BUILD,
                parts.build_seconds,
                assign="build",
                then="IsPublished",
                on_failure="Salvage",
            ),
            "IsPublished": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $build.deploySuccess %}", "Next": "RecordSync"},
                    *([_repairable(parts)] if parts.repair_attempts else []),
                ],
                "Default": "Push",
            },
            **(_repair(parts) if parts.repair_attempts else {}),
            "RecordSync": _function(
                parts,
                parts.record_sync_arn,
                {
                    "sessionId": f"{{% {INPUT}.sessionId %}}",
                    "commandId": f"{{% {INPUT}.commandId %}}",
                    "clientId": f"{{% {INPUT}.clientId %}}",
                    "siteBucket": parts.site_bucket,
                    "build": "{% $build %}",
                },
                assign="sync",
                then="Push",
                # The site is live already: books that cannot be kept are no reason not to push.
                catch=[
                    {
                        "ErrorEquals": ["States.ALL"],
                        "Assign": {"sync": {"error": "{% $states.errorOutput %}"}},
                        "Next": "Push",
                    }
                ],
            ),
            **_step(parts, "Push", StepName.PUSH, parts.push_seconds, assign="push", then="Done", on_failure="Failed"),
            # No Succeed state: not every interpreter (MiniStack's) honours its Output.
            "Done": {
                "Type": "Pass",
                "Output": {name: f"{{% ${name} %}}" for name in DONE},
                "End": True,
            },
            # Push what there is; the first error stays the run's.
            **_step(
                parts,
                "Salvage",
                StepName.SALVAGE,
                parts.push_seconds,
                assign="salvage",
                then="Failed",
                on_failure="Failed",
                keep_error=True,
            ),
            "Failed": {"Type": "Fail", "Error": "{% $failure.Error %}", "Cause": "{% $failure.Cause %}"},
            "Interrupted": {
                "Type": "Fail",
                "Error": SfnError.INTERRUPTED,
                "Cause": "A newer command of the session took over; the work is saved.",
            },
        },
    }


def _repairable(parts: WorkflowParts) -> Json:
    # What an older image answers has no brokenByEdit: `undefined and ...` is false.
    condition = f"$build.brokenByEdit and $agent.filesChangedCount > 0 and $repairs < {parts.repair_attempts}"
    return {"Condition": f"{{% {condition} %}}", "Next": "Repair"}


def _repair(parts: WorkflowParts) -> Json:
    """A repair that comes to no end leaves the run as it was: a failed build, whose commit is pushed."""
    return {
        **_step(
            parts,
            "Repair",
            StepName.REPAIR,
            parts.agent_seconds,
            assign="repair",
            then="HasRepaired",
            on_failure="Push",
            keep_error=True,
            assigned={"edit": RESULT, "repairs": "{% $repairs + 1 %}"},
        ),
        "HasRepaired": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $repair.changed %}", "Next": "WriteCommitMessage"}],
            "Default": "Push",
        },
    }


def _catch(error: str, state: str) -> Json:
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


def _step(
    parts: WorkflowParts,
    name: str,
    step: StepName,
    seconds: int,
    *,
    assign: str,
    then: str,
    on_failure: str,
    keep_error: bool = False,
    assigned: Json | None = None,
) -> Json:
    """One step: the state `name`, and where workspaces stay, `{name}InNewWorkspace` for when there is none to offer it to.

    `keep_error`: a failure here leaves the variable `failure` as it is. `assigned`: further variables.
    """
    failed = {"ErrorEquals": ["States.ALL"], "Next": on_failure} if keep_error else _catch("States.ALL", on_failure)
    interrupted = {"ErrorEquals": [SfnError.INTERRUPTED], "Next": "Interrupted"}
    common = {"TimeoutSeconds": seconds + MARGIN_SECONDS, "Assign": {**(assigned or {}), assign: RESULT}, "Next": then}
    run = {**_run_task(parts, step), **common, "Catch": [interrupted, failed]}
    if parts.idle_seconds == 0:
        return {name: run}
    fresh = f"{name}InNewWorkspace"
    own_failure = {**failed, "ErrorEquals": [SfnError.STEP_FAILED, "States.Timeout"]}
    # Whatever else goes wrong with an offer, a fresh workspace can do the step; one that still lives takes it over.
    unanswered = {"ErrorEquals": ["States.ALL"], "Next": fresh}
    lost = {"ErrorEquals": ["States.HeartbeatTimeout"], "Next": fresh}
    offer = {**_offer(parts, step), **common, "Catch": [interrupted, lost, own_failure, unanswered]}
    return {name: offer, fresh: run}


def _offer(parts: WorkflowParts, step: StepName) -> Json:
    """Puts the step into the mailbox of the session's workspace, if there is one that lives."""
    mail = {
        "step": {"S": step.value},
        "taskToken": {"S": "{% $states.context.Task.Token %}"},
        "sessionId": {"S": f"{{% {INPUT}.sessionId %}}"},
        "commandId": {"S": f"{{% {INPUT}.commandId %}}"},
        "generation": {"N": f"{{% $string({INPUT}.generation) %}}"},
    }
    return {
        "Type": "Task",
        "Resource": f"arn:{parts.partition}:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
        "HeartbeatSeconds": OFFER_HEARTBEAT_SECONDS,
        "Arguments": {
            "TableName": parts.sessions_table,
            "Key": {"sessionId": {"S": f"{{% {INPUT}.sessionId %}}"}},
            "UpdateExpression": "SET mailbox = :mail",
            "ConditionExpression": "aliveUntil > :now AND generation = :generation",
            "ExpressionAttributeValues": {
                ":mail": {"M": mail},
                ":now": {"N": "{% $string($millis()) %}"},
                ":generation": {"N": f"{{% $string({INPUT}.generation) %}}"},
            },
        },
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
    """Starts a fresh workspace with the step."""
    environment = {
        StepEnv.STEP: step.value,
        StepEnv.TASK_TOKEN: "{% $states.context.Task.Token %}",
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
                    "Subnets": parts.subnets,
                    "SecurityGroups": [parts.security_group],
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


def _function(parts: WorkflowParts, arn: str, payload: Json, *, assign: str, then: str, catch: list[Json]) -> Json:
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
        "Catch": catch,
        "Next": then,
    }
