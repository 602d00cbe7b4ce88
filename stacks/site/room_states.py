"""The states of a run that waits for room: ECS starts no further workspace.

A new account has a quota of a few vCPUs, and each idle workspace holds two of them for minutes. So the run asks an idle one to
leave, waits and tries again.
"""

from sitewright.contracts.sfn_errors import SfnError
from stacks.jsonata import Json, shortened

CAPACITY_SHORT = [
    # A used up vCPU quota is no exception: RunTask answers 200 with `failures[]`, whose reason is "You've reached the limit on
    # the number of vCPUs you can run concurrently" (ECS developer guide, "Amazon ECS service event messages"). The
    # integration turns failures into AmazonECS.Unknown (Step Functions developer guide, "Run Amazon ECS or Fargate tasks
    # with Step Functions"). AWS re:Post names the other error for the same case, and for a zone without capacity:
    # https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity
    "AmazonECS.Unknown",
    "ECS.AmazonECSException",
]

WAIT_SECONDS = 900
"""How long a run waits for room before it fails with `no_capacity`. A workspace at work is usually free within minutes."""

NOTHING_ASKED = {"waited": 0, "room": "{% null %}"}
"""Variables before the first try to start a workspace. The null is an expression: CDK drops a plain null."""

_PAUSE = "$waited < 30 ? 5 : 15"
"""Seconds before the next try. An asked workspace leaves within a second, so the first tries come soon."""


def no_room(state: str, *, waits: bool = True) -> Json:
    """Returns the catch of a state that starts a workspace: it goes to MakeRoom, which comes back to the state.

    Without `waits` the run ends.
    """
    return {
        "ErrorEquals": CAPACITY_SHORT,
        "Assign": {"roomFor": state, "noRoom": f"{{% {shortened('$states.errorOutput.Cause', 2_000)} %}}"},
        "Next": "MakeRoom" if waits else "NoRoom",
    }


def room_states(make_room: Json, starting: list[str], salvage: str) -> dict[str, Json]:
    """Returns the states of the wait.

    Args:
        make_room: the state that calls the function `make_room`; it goes to WaitForRoom, also after an error.
        starting: the names of the states that start a workspace.
        salvage: the one among them that keeps the run's first error when there is no room for it.
    """
    late = f"$waited >= {WAIT_SECONDS}"
    return {
        "MakeRoom": make_room,
        "WaitForRoom": {
            "Type": "Wait",
            "Seconds": f"{{% {_PAUSE} %}}",
            "Assign": {"waited": f"{{% $waited + ({_PAUSE}) %}}"},
            "Next": "TryAgain",
        },
        "TryAgain": {
            "Type": "Choice",
            "Choices": [
                {"Condition": f"{{% {late} and $roomFor = '{salvage}' %}}", "Next": "Failed"},
                {"Condition": f"{{% {late} %}}", "Next": "NoRoom"},
                *({"Condition": f"{{% $roomFor = '{name}' %}}", "Next": name} for name in starting),
            ],
            "Default": "NoRoom",
        },
        "NoRoom": {"Type": "Fail", "Error": SfnError.NO_CAPACITY, "Cause": "{% $noRoom %}"},
    }
