"""The account's vCPUs are used up: a new session gets the room of an idle workspace."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from sitewright.contracts.names import task_family
from sitewright.local.ecs import vcpu_limit
from sitewright.local.ecs.vcpu_limit import VcpuLimit
from sitewright.local.machine.stack_home import Home
from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.stack_driver import Sent, Site, until
from tests.support.e2e.words import fresh


def _tasks(site: Site) -> dict[str, float]:
    """Returns the vCPUs of each running workspace of a site."""
    ecs = site.stack.client("ecs")
    found = {}
    for cluster in ecs.list_clusters()["clusterArns"]:
        arns = ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []:
            if f"/{task_family(site.client_id)}:" in task["taskDefinitionArn"]:
                found[task["taskArn"]] = int(task["cpu"]) / 1024
    return found


def _asked(site: Site, sent: Sent) -> list[str]:
    """Returns the sessions whose workspaces a run asked to leave."""
    history = site.stack.client("stepfunctions").get_execution_history(
        executionArn=site.execution_arn(sent), maxResults=1000
    )
    ended = [e["stateExitedEventDetails"] for e in history["events"] if "stateExitedEventDetails" in e]
    results = [json.loads(each["output"]) for each in ended if each["name"] == "MakeRoom"]
    return [name for each in results if (name := each.get("Payload", each).get("asked"))]


@contextmanager
def _full(site: Site) -> Iterator[None]:
    """Lets ECS refuse a further workspace of the site. Other sites, and so other tests, are left alone."""
    path = Home(site.stack.home).vcpu_limit
    vcpu_limit.write(path, VcpuLimit(sum(_tasks(site).values()), task_family(site.client_id)))
    try:
        yield
    finally:
        path.unlink()


def test_a_session_gets_through_after_an_idle_workspace_of_another_left(site: Site) -> None:
    idle, heading = OpenSession.begin(site), fresh("Room for one more")
    until("its workspace is idle", lambda: "idleSince" in site.session(idle.first))
    before = _tasks(site)

    with _full(site):
        sent, answer = site.run(f'Add a new heading saying "{heading}" to the homepage', seconds=120)

    assert answer["success"] is True, answer
    # Without the request, the workspace would have left after its idle time.
    assert any(name.startswith(f"{site.client_id}/") for name in _asked(site, sent))
    assert {"MakeRoom", "WaitForRoom"} <= set(site.states(sent)), "ECS refused no workspace"
    after = _tasks(site)
    assert set(before) - set(after), "no workspace left"
    assert len(after) <= len(before)
    assert heading in site.page()
    again, answer = idle.run(f'Add a new heading saying "{fresh("Back again")}" to the homepage')
    assert answer["success"] is True, f"a session whose workspace left goes on: {answer}"
    assert site.command(again)
