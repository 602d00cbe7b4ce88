"""What the attacker gets from git: no program of its own runs with more than its own rights, and no token."""

import time

import pytest

from tests.support.image.attacker import Attacker

RUNNER = "1001"
"""The runner's uid in the image."""

COLLECT = "cat /tmp/traces /tmp/planted /workspace/home/loot 2>/dev/null; echo collected"


def test_a_planted_configuration_of_the_network_repository_is_not_used(shell: Attacker) -> None:
    sent, answer = shell.tell("sh attacks/planted_transport.sh > public/planted.txt; date > public/now.txt")

    assert answer["pushed"] is True, answer
    loot = shell.in_shell(COLLECT, after=sent)
    # What was planted notes the id of the user that runs it. The runner's git has no secret in its environment to show.
    assert RUNNER not in loot.text.splitlines(), "the runner ran what was planted"
    assert "AWS_" not in loot.text
    assert "SITEWRIGHT_" not in loot.text
    assert shell.leaked(loot.text, sent, loot.sent) == []
    shell.edit_goes_live(loot.sent)


def test_programs_planted_for_git_get_no_token_and_no_rights(shell: Attacker) -> None:
    """Hooks, filters, merge and diff drivers, helpers, pagers, signatures, and a daemon that one of them leaves."""
    sent, answer = shell.tell("sh attacks/planted_git.sh > public/planted.txt")
    assert answer["pushed"] is True, answer
    # The next command commits, publishes and pushes over what was planted.
    sent, answer = shell.tell("date > public/again.txt", after=sent)
    assert answer["pushed"] is True, answer

    container = shell.containers.container(sent)
    assert [process for process in shell.containers.processes(container) if "watcher.py" in process.command] == []
    loot = shell.in_shell(COLLECT, after=sent)

    ran = [line for line in loot.text.splitlines() if line.startswith("ran ")]
    assert ran, "nothing that was planted ran at all: the attack is not one"
    own = shell.in_shell("id -u", after=loot.sent)
    assert [line for line in ran if f"as {own.text.strip()} capabilities 0000000000000000" not in line] == []
    assert shell.leaked(loot.text, sent, loot.sent) == []
    assert "AWS_SECRET" not in loot.text
    assert "SITEWRIGHT_TASK_TOKEN" not in loot.text
    shell.edit_goes_live(own.sent)


SLOW_FILTER = """
printf "#!/bin/sh\\necho slow >> /tmp/slow; sleep 0.2; exec cat\\n" > /workspace/home/slow; chmod +x /workspace/home/slow
git config filter.slow.clean /workspace/home/slow; mkdir -p .git/info; echo "* filter=slow" > .git/info/attributes
mkdir -p cache public; echo cache/ >> .gitignore; (cd cache && seq 1 5000 | xargs touch)
date > public/now.txt; git add public/now.txt
"""
"""The attacker's own command shows that the filter works. For all ignored files the filter would take a quarter of an hour."""


def test_a_slow_filter_does_not_run_for_ignored_files_and_leaves_nothing(shell: Attacker) -> None:
    began = time.monotonic()

    sent, answer = shell.tell("; ".join(SLOW_FILTER.strip().splitlines()))

    assert answer["success"] is True, answer
    assert time.monotonic() - began < 90
    assert [name for name in answer["filesChanged"] if name.startswith("cache/")] == []
    container = shell.containers.container(sent)
    assert [process for process in shell.containers.processes(container) if "/home/slow" in process.command] == []
    loot = shell.in_shell("cat /tmp/slow | wc -l", after=sent)
    assert 0 < int(loot.text) < 500, "the filter ran for no file, or for ignored ones"
    shell.edit_goes_live(loot.sent)


@pytest.mark.parametrize("what", ["rm -rf .git", "chmod 000 .git", "ln -s /proc/1 .git/objects/info/alternates"])
def test_a_ruined_repository_is_answered_and_the_next_session_works(shell: Attacker, what: str) -> None:
    sent, answer = shell.tell(f"date > public/ruined.txt; {what}")

    assert answer["status"] in {"succeeded", "failed"}, answer
    assert shell.leaked(str(answer), sent) == []
    shell.edit_goes_live()
