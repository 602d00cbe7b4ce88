"""Task output in CloudWatch Logs, as the awslogs driver writes it."""

import contextlib

from botocore.exceptions import ClientError

from sitewright.local.ecs.role_credentials import RoleCredentials
from sitewright.local.ecs.task import Task


def ship_logs(roles: RoleCredentials, task: Task) -> None:
    """Sends the lines since the last call to the log group of the task definition, as its execution role."""
    lines = task.take_lines()
    options = task.container.get("logConfiguration", {}).get("options", {})
    if not lines or "awslogs-group" not in options:
        return
    group = options["awslogs-group"]
    stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{task.container['name']}/{task.id}"
    try:
        aws = roles.writing_log(task.task, task.definition["executionRoleArn"])
    except ClientError as error:
        print(f"{task.id}: no log: {error}", flush=True)
        return
    with contextlib.suppress(ClientError):
        aws.logs.create_log_stream(logGroupName=group, logStreamName=stream)
    with contextlib.suppress(ClientError):
        aws.logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": at, "message": text or " "} for at, text in lines],
        )
