"""What sessions of a site share, the archive of node_modules, holds nothing that the site's own code wrote."""

from tests.support.image.attacker import Attacker

POISON = "poison-from-another-session"
POISON_PACKAGE = (
    f"printf %s {POISON} >> node_modules/escape-html/index.js; printf %s {POISON} > node_modules/poison.txt"
)
SHOW = "cat node_modules/escape-html/index.js node_modules/poison.txt"


def test_a_build_that_changes_its_packages_poisons_no_other_session(packages: Attacker) -> None:
    loot = packages.in_build(f"{POISON_PACKAGE}; echo poisoned")
    assert "poisoned" in loot.text

    other = packages.in_build(SHOW)

    assert "escape-html" in other.text, "the other session has its packages"
    assert POISON not in other.text


def test_a_daemon_beside_the_installation_poisons_no_other_session(packages: Attacker) -> None:
    """It waits for the packages of another lock file, and writes into them before they are archived."""
    wait = f"while sleep 0.01; do {POISON_PACKAGE}; done"
    change = """sed -i 's/"version": "1.0.0"/"version": "1.0.1"/' package.json package-lock.json"""
    sent, answer = packages.tell(f"{change}; setsid sh -c '{wait}' >/dev/null 2>&1 </dev/null & date > public/now.txt")
    assert answer["deploySuccess"] is True, answer

    other, answer = packages.tell(f"{change}; date > public/now.txt")
    assert answer["deploySuccess"] is True, answer
    loot = packages.in_build(SHOW, after=other)

    assert "escape-html" in loot.text
    assert POISON not in loot.text
