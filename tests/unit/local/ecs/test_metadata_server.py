"""The endpoint that hands out the credentials of tasks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

from sitewright.local.aws_clients import Aws
from sitewright.local.ecs.metadata_server import Endpoints
from sitewright.local.ecs.role_credentials import RoleCredentials
from sitewright.local.machine.stack_home import Home

TASK = "arn:aws:ecs:us-west-2:000000000000:task/c/t1"
ROLE = "arn:aws:iam::000000000000:role/task"


class Sts:
    """Hands out numbered sessions that hold for the next `minutes`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.minutes = 60
        self.refuses = False

    def assume_role(self, **asked: str) -> dict[str, Any]:
        if self.refuses:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
        self.asked.append(asked)
        number = len(self.asked)
        ends = datetime.now(UTC) + timedelta(minutes=self.minutes)
        keys = {"AccessKeyId": f"ASIA{number}", "SecretAccessKey": f"s{number}", "SessionToken": f"t{number}"}
        return {"Credentials": {**keys, "Expiration": ends}}


def endpoints(tmp_path: Path, sts: Sts) -> tuple[Endpoints, RoleCredentials]:
    home = Home(tmp_path)
    home.create()
    roles = RoleCredentials(cast(Aws, SimpleNamespace(sts=sts)), home)
    task = SimpleNamespace(
        id="t1", arn=TASK, task={"taskArn": TASK, "clusterArn": "c"}, definition={"taskRoleArn": ROLE}
    )
    return Endpoints(cast(Any, {"t1": task}), roles), roles


def test_a_task_gets_a_session_of_its_own_role_and_ecs_asks_for_it(tmp_path: Path) -> None:
    sts = Sts()
    served, roles = endpoints(tmp_path, sts)
    status, body = served.answer(roles.path("t1"))
    assert (status, body["RoleArn"], body["AccessKeyId"], body["Token"]) == (200, ROLE, "ASIA1", "t1")
    assert datetime.fromisoformat(body["Expiration"]) > datetime.now(UTC)
    external = f"service ecs-tasks.amazonaws.com {TASK}"
    assert sts.asked == [{"RoleArn": ROLE, "RoleSessionName": "t1", "ExternalId": external}]
    assert served.answer(roles.path("t1"))[1] == body, "the same session until it ends"


def test_a_session_that_ends_soon_is_replaced(tmp_path: Path) -> None:
    sts = Sts()
    sts.minutes = 16
    served, roles = endpoints(tmp_path, sts)
    assert [served.answer(roles.path("t1"))[1]["AccessKeyId"] for _ in range(2)] == ["ASIA1", "ASIA2"]


def test_nobody_finds_the_credentials_by_a_tasks_id(tmp_path: Path) -> None:
    served, roles = endpoints(tmp_path, Sts())
    for path in ("/credentials/t1", "/credentials/", roles.path("t2")):
        assert served.answer(path) == (404, {})
    again = RoleCredentials(cast(Aws, SimpleNamespace()), Home(tmp_path))
    assert again.path("t1") == roles.path("t1"), "the path of a running task outlives the ECS service"


def test_a_role_that_does_not_trust_ecs_has_no_credentials(tmp_path: Path) -> None:
    sts = Sts()
    sts.refuses = True
    served, roles = endpoints(tmp_path, sts)
    assert served.answer(roles.path("t1"))[0] == 400
