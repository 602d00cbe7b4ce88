"""Entry point of the make_room function, which is a task of the state machine when ECS starts no further workspace.

So the number of its invocations tells how often capacity was short.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.common.aws_clients import client, now_ms
from lambdas.common.platform_tables import sessions
from lambdas.common.settings import settings
from lambdas.common.telemetry import about, log_info, traced
from lambdas.make_room.room_maker import RoomMaker, RoomRequest


@cache
def _room_maker() -> RoomMaker:
    return RoomMaker(
        sessions=sessions(),
        ecs=client("ecs"),
        cluster=settings().need("CLUSTER"),
        now=now_ms,
        log=log_info,
    )


@traced
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Asks an idle workspace to leave. Returns what was asked for, for the run's next request."""
    request = RoomRequest.model_validate(event)
    about(request)
    room = _room_maker().run(request)
    answer: dict[str, Any] = room.model_dump(mode="json", by_alias=True)
    return answer
