"""The rules whose events call a function: a run ended, a command has no run, a workspace stopped, the sweep is due."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs

from sitewright.contracts.names import EVENT_SOURCE, NOT_STARTED
from stacks.arns import state_machine_arn


def add_event_rules(
    stack: Stack,
    *,
    respond: lambda_.Function,
    task_stopped: lambda_.Function,
    cluster: ecs.Cluster,
    failed_events: sqs.Queue,
) -> None:
    """Adds the rules. An event that a function could not handle goes to `failed_events`."""
    for function in (respond, task_stopped):
        function.configure_async_invoke(retry_attempts=2, on_failure=destinations.SqsDestination(failed_events))
    events.Rule(
        stack,
        "RunEnded",
        description="A run ended: answer its command",
        event_pattern=events.EventPattern(
            source=["aws.states"],
            detail_type=["Step Functions Execution Status Change"],
            detail={
                "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
                "stateMachineArn": [{"prefix": state_machine_arn(stack, "")}],
            },
        ),
        targets=[_target(respond, failed_events)],
    )
    events.Rule(
        stack,
        "NotStarted",
        description="A command ends without a run: answer it",
        event_pattern=events.EventPattern(source=[EVENT_SOURCE], detail_type=[NOT_STARTED]),
        targets=[_target(respond, failed_events)],
    )
    events.Rule(
        stack,
        "Sweep",
        description="Answer commands whose event got lost: delivery from Step Functions is best effort",
        schedule=events.Schedule.rate(Duration.minutes(5)),
        targets=[_target(respond, failed_events)],
    )
    events.Rule(
        stack,
        "TaskEnded",
        description="A workspace stopped: fail its open step with a diagnosis",
        event_pattern=events.EventPattern(
            source=["aws.ecs"],
            detail_type=["ECS Task State Change"],
            detail={"lastStatus": ["STOPPED"], "clusterArn": [cluster.cluster_arn]},
        ),
        targets=[_target(task_stopped, failed_events)],
    )


def _target(function: lambda_.Function, failed_events: sqs.Queue) -> targets.LambdaFunction:
    # EventBridge's own retries end a day later by default. By then the run is over, and the sweep has answered its command.
    return targets.LambdaFunction(
        function, dead_letter_queue=failed_events, max_event_age=Duration.hours(2), retry_attempts=20
    )
