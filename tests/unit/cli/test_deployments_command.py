"""`sitewright deployments` against a mocked account: its output and its errors."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from sitewright.cli.main import app
from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from sitewright.local.errors import LocalError
from tests.support.cli.published_account import (
    ENTRY,
    REGION,
    Account,
    account_fixture,  # noqa: F401 - a fixture
    refusal,
    run,
)


def test_the_deployments_are_listed_newest_first(account: Account) -> None:
    account.publish("d1", {"index.html": "one"})
    account.record("d2", deploy_success=False, manifest_key=None)
    account.publish("d3", {"index.html": "three"})
    account.record("d3", drift=["x.html"], drift_count=1)
    account.record("d0", manifest_key=None, ttl=1)
    listed = json.loads(run("deployments", "--json").stdout)
    assert [(d["deploymentId"], d["live"], d["rollbackTarget"]) for d in listed["deployments"]] == [
        ("d3", True, False),
        ("d2", False, False),
        ("d1", False, True),
        ("d0", False, False),
    ]
    newest = listed["deployments"][0]
    assert (newest["commit"], newest["driftCount"], newest["drift"]) == ("commit-d3", 1, ["x.html"])
    assert (newest["sessionId"], newest["uploaded"], newest["deleted"]) == ("session-1", 3, 3)
    assert listed["live"] == {
        "deploymentId": "d3",
        "commit": "commit-d3",
        "complete": True,
        "reconcile": False,
        "publishing": None,
    }
    shown = [line.split() for line in run("deployments").stdout.splitlines() if line.startswith("d")]
    assert [(words[0], words[-1]) for words in shown] == [
        ("d3", "live"),
        ("d2", "failed"),
        ("d1", "restorable"),
        ("d0", "gone"),
    ]


def test_a_running_publish_is_reported(account: Account) -> None:
    account.publish("d1", {"index.html": "one"})
    account.write_manifest(account.live().model_copy(update={"lease_owner": "session-2", "reconcile": True}))
    assert json.loads(run("deployments", "--json").stdout)["live"]["publishing"] == "session-2"
    assert "A publish is under way (session-2)." in run("deployments").stderr


def test_nothing_published_is_an_empty_list(account: Account) -> None:
    assert json.loads(run("deployments", "--json").stdout) == {
        "clientId": "amelia",
        "siteUrl": ENTRY.site_url,
        "live": None,
        "deployments": [],
    }
    assert "No deployments yet." in run("deployments").stdout


def test_more_records_than_a_query_gives(account: Account) -> None:
    account.publish("d000", {"index.html": "one"})
    for number in range(1, 3 * DEPLOYMENTS_KEPT):
        failed: dict[str, Any] = {"deploy_success": False, "manifest_key": None} if number % 3 else {}
        account.record(f"d{number:03d}", **failed)
    listed = json.loads(run("deployments", "--json").stdout)["deployments"]
    assert len(listed) == 3 * DEPLOYMENTS_KEPT
    assert listed[-1]["live"]


def test_an_unknown_site(account: Account) -> None:
    for command in ("deployments", "rollback"):
        error = refusal(command, "--client", "nobody")
        assert error.message == "There is no site 'nobody' on eu-central-1."


def test_refused_credentials_are_one_line(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    error = refusal("deployments")
    assert "not-there" in error.message
    assert "aws sts get-caller-identity" in error.remedy


def test_a_region_without_aws_is_refused(account: Account) -> None:
    done = CliRunner().invoke(app, ["deployments", "--region", REGION])
    assert isinstance(done.exception, LocalError)
    assert "--aws" in done.exception.remedy
