"""The main scenarios, in containers of the real image."""

import json

from sitewright.local.containers.container_engine import STACK_LABEL, Engine
from tests.support.e2e.stack_driver import Site, until
from tests.support.image.attacked_sites import IDLE_SECONDS
from tests.support.image.container_stack import ContainerStack


def test_an_edit_goes_live_and_is_pushed(containers: ContainerStack, site: Site) -> None:
    sent, answer = site.run('Add a new heading saying "From a container" to the homepage')

    assert answer["success"] is True, answer
    assert "From a container" in site.page()
    assert site.git("rev-parse", f"thread-{sent.thread}") == answer["commit"]
    shown = json.loads(containers.engine.call(["container", "inspect", containers.container(sent)]))[0]
    assert shown["HostConfig"]["Privileged"] is False
    assert shown["Config"]["Labels"][STACK_LABEL] == str(containers.home)


def test_an_interrupt_keeps_the_workspace_and_the_older_edit(containers: ContainerStack, site: Site) -> None:
    first, answer = site.run('Add a new heading saying "One" to the homepage')
    assert answer["success"] is True, answer
    container = containers.container(first)
    older = site.send("Write 12 notes, one every 0.5 seconds", session=first.session_id, thread=first.thread)
    until("the agent writes", lambda: f'"{older.command_id}"' in containers.log(container), seconds=60)

    newer, answer = site.run(
        'Add a new heading saying "Three" to the homepage', session=first.session_id, thread=first.thread
    )

    assert answer["success"] is True, answer
    assert site.stack.response(older)["status"] == "interrupted"
    assert containers.container(newer) == container
    assert "Three" in site.page()
    assert answer["covers"] == [older.command_id]
    notes = site.git("ls-tree", "--name-only", f"thread-{first.thread}", "notes/").split()
    assert len(notes) == 12, "the interrupted wish is not done"


def test_a_killed_container_loses_nothing_that_was_saved(containers: ContainerStack, site: Site) -> None:
    first, answer = site.run('Add a new heading saying "Before the kill" to the homepage')
    assert answer["success"] is True, answer
    container = containers.container(first)
    sent = site.send("Write 20 notes, one every 0.5 seconds", session=first.session_id, thread=first.thread)
    until("the step has begun", lambda: f'"{sent.command_id}"' in containers.log(container), seconds=60)

    containers.engine.kill(container)

    answer = site.stack.response(sent, seconds=180)
    assert answer["success"] is True, answer
    assert containers.container(sent) != container
    assert "Before the kill" in site.page()


def test_an_idle_container_stops_by_itself_and_the_next_one_goes_on(
    containers: ContainerStack, site: Site, engine: Engine
) -> None:
    first, answer = site.run('Add a new heading saying "Then nothing" to the homepage')
    assert answer["success"] is True, answer
    container = containers.container(first)

    until("it has stopped", lambda: container not in engine.names(containers.home), seconds=IDLE_SECONDS + 60)

    later, answer = site.run(
        'Add a new heading saying "After a rest" to the homepage', session=first.session_id, thread=first.thread
    )
    assert answer["success"] is True, answer
    assert containers.container(later) != container
    assert "Then nothing" in site.page()
    assert "After a rest" in site.page()
