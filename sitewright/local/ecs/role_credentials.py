"""The credentials of the roles of tasks, as ECS hands them out: the task's own role, and the one that writes its log."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sitewright.local.aws_clients import Aws, Keys
from sitewright.local.machine.stack_home import Home, write_private

if TYPE_CHECKING:
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

AS_ECS_TASKS = "service ecs-tasks.amazonaws.com {source}"
"""The external id with which the emulator checks the trust policy for ECS, in place of the root user."""

_FRESH = timedelta(minutes=20)
"""What botocore refreshes 15 minutes before the end must be new by then."""


class RoleCredentials:
    """Assumes roles for tasks. A task gets a session of its own, named by its id. Safe to use from any thread."""

    def __init__(self, aws: Aws, home: Home) -> None:
        self._aws = aws
        self._home = home
        self._sessions: dict[tuple[str, str], CredentialsTypeDef] = {}
        self._writers: dict[str, tuple[datetime, Aws]] = {}
        self._lock = threading.Lock()

    def of_task(self, task: Mapping[str, Any], role_arn: str) -> "CredentialsTypeDef":
        """Returns the credentials of a role for a task (as DescribeTasks answers). Raises ClientError (not trusted)."""
        source = str(task["taskArn"])
        session = source.rsplit("/", 1)[-1]
        with self._lock:
            found = self._sessions.get((session, role_arn))
            if found is None or found["Expiration"] - datetime.now(UTC) < _FRESH:
                answer = self._aws.sts.assume_role(
                    RoleArn=role_arn, RoleSessionName=session, ExternalId=AS_ECS_TASKS.format(source=source)
                )
                self._sessions[session, role_arn] = found = answer["Credentials"]
            return found

    def writing_log(self, task: Mapping[str, Any], role_arn: str) -> Aws:
        """Returns clients of the role that writes a task's log. Tasks share them. Raises ClientError (not trusted)."""
        with self._lock:
            expires, aws = self._writers.get(role_arn, (datetime.now(UTC), self._aws))
        if expires - datetime.now(UTC) < _FRESH:
            found = self.of_task(task, role_arn)
            keys = Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
            aws = Aws(self._aws.endpoint_url, self._aws.region, keys)
            with self._lock:
                self._writers[role_arn] = (found["Expiration"], aws)
        return aws

    def forget(self, task_id: str) -> None:
        """Drops the credentials of an ended task."""
        with self._lock:
            for key in [key for key in self._sessions if key[0] == task_id]:
                del self._sessions[key]

    def path(self, task_id: str) -> str:
        """Returns the path of a task's credentials. As on Fargate, who does not know it cannot guess it.

        It is the same after a restart of the ECS service: a running task has it in its environment.
        """
        return "/credentials/" + hmac.new(self._key, task_id.encode(), hashlib.sha256).hexdigest()

    @cached_property
    def _key(self) -> bytes:
        file = self._home.emulator / "credentials-key"
        if not file.exists():
            write_private(file, secrets.token_hex(32))
        return file.read_bytes()
