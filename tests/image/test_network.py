"""What the attacker reaches: the model proxy only in a step of the agent, and no credentials of the task."""

import json

import pytest

from tests.support.image.attacker import Attacker
from tests.support.secrets.marked_secrets import MODEL_KEY

KEEP = 'printf "%s %s" "$ANTHROPIC_BASE_URL" "$ANTHROPIC_API_KEY" > proxy.txt'
PROBE = "python3 attacks/probe_proxy.py $(cat proxy.txt)"
REFUSED = {401, 403, 404, 405}


def _refused(answer: object) -> bool:
    return answer in REFUSED or "refused" in str(answer).lower()


def test_the_agents_token_opens_the_messages_api_and_nothing_else(shell: Attacker) -> None:
    loot = shell.in_shell(f"{KEEP}; {PROBE}")

    found = json.loads(loot.text)
    assert all(_refused(answer) for name in ("none", "wrong") for answer in found[name].values()), found
    given = found["given 1"]
    assert given["messages"] == 200, given
    assert all(_refused(given[name]) for name in ("models", "files", "batches", "elsewhere")), given
    kept = shell.site.branch_file(f"thread-{loot.sent.thread}", "proxy.txt")
    assert MODEL_KEY not in kept
    shell.edit_goes_live(loot.sent)


def test_the_build_cannot_use_the_model_not_even_with_the_agents_token(shell: Attacker) -> None:
    sent, answer = shell.tell(f"{KEEP}; date > public/now.txt")
    assert answer["deploySuccess"] is True, answer

    loot = shell.in_build(PROBE, after=sent)

    found = json.loads(loot.text)
    assert "given 1" in found
    assert all(_refused(answer) for answers in found.values() for answer in answers.values()), found


def test_the_tasks_credentials_are_not_named_to_the_attacker(shell: Attacker) -> None:
    """On AWS they are at 169.254.170.2, below a path that only the runner's environment names."""
    loot = shell.in_shell("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'")

    assert "AWS_" not in loot.text
    assert "ECS_" not in loot.text
    assert shell.leaked(loot.text, loot.sent) == []


@pytest.mark.parametrize("place", ["shell", "build"])
def test_the_metadata_endpoint_gives_the_attacker_no_credentials(place: str, request: pytest.FixtureRequest) -> None:
    attacker: Attacker = request.getfixturevalue(place)
    probe = "python3 attacks/probe_metadata.py"

    loot = attacker.in_shell(probe) if place == "shell" else attacker.in_build(probe)

    found = loot.json()
    assert found["names"] == [], "an environment names AWS or ECS"
    assert found["endpoints"], f"the attack did not reach the endpoint: {found}"
    assert found["given"] == []
    assert attacker.leaked(loot.text, loot.sent) == []
