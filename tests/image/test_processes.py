"""What the attacker gets from processes: nothing of the runner's, and none of its own stays alive."""

import pytest

from tests.support.image.attacker import Attacker, Loot

LOOK = "python3 attacks/secrets_of_processes.py"
NOTHING = "0000000000000000"
RUNNERS = 0b1110_0011
"""CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID, which the image's entry point leaves to the runner (capabilities(7))."""


def _check(attacker: Attacker, loot: Loot) -> None:
    found = loot.json()
    assert found["uid"] != 0
    assert found["groups"] in ([], [found["uid"]])
    bounding = int(found["capabilities"].pop("CapBnd"), 16)
    assert set(found["capabilities"].values()) == {NOTHING}, "the attacker has capabilities"
    # The bounding set limits what a program with file capabilities may give. With no_new_privs none gives any.
    assert found["noNewPrivileges"] == "1"
    assert bounding & ~RUNNERS == 0
    others = [process for process in found["processes"] if process["uid"] != found["uid"]]
    assert 1 in [process["pid"] for process in others], "the first process is of the attacker's own user"
    for process in others:
        assert process["opened"] == [], f"{process['opened']} of {process['command']}"
        assert not process["seized"], f"ptrace of {process['command']}"
        assert not process["signals"], f"signals to {process['command']}"
    assert attacker.leaked(loot.text, loot.sent) == []
    hits = {hit for process in found["processes"] for hit in process["hits"]}
    assert not [hit for hit in hits if hit.startswith(("AWS_", "SITEWRIGHT_TASK", "ECS_", "TASK_TOKEN", "sk-ant-"))]


def test_the_agents_shell_reads_no_secret_from_any_process(shell: Attacker) -> None:
    loot = shell.in_shell(LOOK)

    _check(shell, loot)
    shell.edit_goes_live(loot.sent)


def test_the_build_script_reads_no_secret_from_any_process(build: Attacker) -> None:
    loot = build.in_build(LOOK)

    _check(build, loot)
    assert "API_KEY" not in "".join(loot.json()["environment"]), "the build needs no model"
    build.edit_goes_live(loot.sent)


@pytest.mark.parametrize("place", ["shell", "build"])
def test_no_file_of_the_runner_can_be_read_or_written(place: str, request: pytest.FixtureRequest) -> None:
    attacker: Attacker = request.getfixturevalue(place)
    look = "python3 attacks/secrets_of_files.py"

    loot = attacker.in_shell(look) if place == "shell" else attacker.in_build(look)

    found = loot.json()
    assert found["readable"] == []
    assert found["sockets"] == []
    shared = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")
    assert [path for path in found["writable"] if not path.startswith(shared)] == []


def test_the_end_of_every_process_is_answered_and_costs_nothing_else(shell: Attacker) -> None:
    before = shell.edit_goes_live()
    container = shell.containers.container(before)

    sent, answer = shell.tell("kill -9 -1; kill -9 1; kill -TERM 1", after=before)

    if error := answer["error"]:
        said = f"{error['message']} {error['remedy']}".replace("did not run out of memory", "")
        assert "memory" not in said, "the answer suggests a lack of memory"
    after = shell.edit_goes_live(sent)
    assert shell.containers.container(after) == container, "the attack ended the workspace"


@pytest.mark.parametrize("place", ["shell", "build"])
def test_no_process_of_the_attacker_outlives_its_step(place: str, request: pytest.FixtureRequest) -> None:
    attacker: Attacker = request.getfixturevalue(place)
    leave = "sh attacks/daemons.sh"

    loot = attacker.in_shell(leave) if place == "shell" else attacker.in_build(leave)

    assert "left" in loot.text
    container = attacker.containers.container(loot.sent)
    left = [process for process in attacker.containers.processes(container) if "left-behind" in process.command]
    assert left == []
    attacker.edit_goes_live(loot.sent)
