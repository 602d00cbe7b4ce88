"""The deployments that a rollback can restore, and the error messages for the others."""

from typing import Any

import pytest

from sitewright.cli.deployment_history import CannotRollBack, History, Live, worth_listing
from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from sitewright.contracts.names import deployment_key
from sitewright.contracts.records import DeploymentRecord, SiteEntry
from sitewright.publishing.manifest import Manifest

SITE = SiteEntry(
    client_id="amelia",
    state_machine_arn="arn:aws:states:us-west-2:1:stateMachine:m",
    site_url="http://edit.amelia.example.com",
    bucket="edit.amelia.example.com",
    artifacts_bucket="artifacts",
    deployments_table="deployments",
)


def record(name: str, **changes: Any) -> DeploymentRecord:
    base: dict[str, Any] = {
        "client_id": "amelia",
        "deployment_id": name,
        "session_id": "s",
        "command_id": "c",
        "commit": "abc",
        "created_at": 0,
        "deploy_success": True,
        "manifest_key": deployment_key("amelia", name),
    }
    numbers = dict.fromkeys(("files", "bytes", "uploaded", "deleted", "unchanged"), 0)
    return DeploymentRecord.model_validate({**base, **numbers, **changes})


def failed(name: str) -> DeploymentRecord:
    return record(name, deploy_success=False, manifest_key=None)


def gone(name: str) -> DeploymentRecord:
    return record(name, manifest_key=None, ttl=1)


def past(live: str | None, *records: DeploymentRecord, publishing: bool = False, **manifest: Any) -> History:
    """Makes a history. `records` are given oldest first."""
    book = Manifest.model_validate(
        {
            "client_id": "amelia",
            "bucket": "edit.amelia.example.com",
            "deployment_id": live or "",
            "created_at": 0,
            **manifest,
        }
    )
    return History(SITE, Live(book, publishing) if live else None, records[::-1])


def test_without_an_id_the_target_is_the_last_complete_deployment_before_the_live_one() -> None:
    found = past("d4", record("d1"), record("d2"), failed("d3"), record("d4"))
    assert found.previous().deployment_id == "d2"


def test_a_deployment_newer_than_the_live_one_is_no_target() -> None:
    # Two publishes ran at the same time. The newer one has a record, but the older one took the lease last.
    assert past("d2", record("d1"), record("d2"), record("d3")).previous().deployment_id == "d1"


def test_the_target_from_an_incomplete_deployment_is_the_last_complete_one() -> None:
    assert past("d3-partial", record("d1"), record("d2"), complete=False).previous().deployment_id == "d2"


def test_after_a_rollback_the_replaced_deployment_can_be_restored() -> None:
    found = past("d3", record("d1"), record("d2"), record("d3", rolled_back_to="d1"))
    assert found.previous().deployment_id == "d2"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (past("d1", record("d1")), "nothing to go back to"),
        (past("d3", gone("d1"), failed("d2"), record("d3")), "nothing to go back to"),
        (past(None), "Nothing of amelia is published"),
    ],
)
def test_nothing_to_go_back_to(found: History, says: str) -> None:
    with pytest.raises(CannotRollBack, match=says) as refused:
        found.previous()
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("d9", "There is no deployment 'd9' of amelia"),
        ("d1", "d1 is beyond the retention: the newest 20"),
        ("d2", "d2 failed"),
    ],
)
def test_an_id_that_no_rollback_can_restore(to: str, says: str) -> None:
    with pytest.raises(CannotRollBack, match=says):
        past("d4", gone("d1"), failed("d2"), record("d3"), record("d4")).chosen(to)


def test_the_live_deployment_can_be_restored_because_the_bucket_may_have_drifted() -> None:
    assert past("d1", record("d1")).chosen("d1").deployment_id == "d1"
    assert past("d3", record("d1"), record("d3", rolled_back_to="d1")).chosen("d1").deployment_id == "d1"


def test_only_complete_ones_that_are_not_live_are_targets() -> None:
    found = past("d4", gone("d1"), failed("d2"), record("d3"), record("d4"))
    assert [r.deployment_id for r in found.records if found.is_target(r)] == ["d3"]
    assert [r.deployment_id for r in found.records if found.is_live(r)] == ["d4"]


def test_reading_ends_with_the_last_target() -> None:
    def records() -> Any:
        for number in range(DEPLOYMENTS_KEPT + 5, 5, -1):
            yield record(f"d{number:03d}")
            yield failed(f"d{number:03d}-failed")
        raise AssertionError("read too far")

    assert len(worth_listing(records())) == 2 * DEPLOYMENTS_KEPT - 1


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (past("d1", record("d1")), []),
        (
            past("d1", record("d1"), lease_owner="s2", publishing=True, complete=False, reconcile=True),
            ["under way (s2)"],
        ),
        (past("d1", record("d1"), lease_owner="s2", reconcile=True), ["of s2 broke off"]),
        (past("d2", record("d1"), complete=False), ["d2 is not whole"]),
        (past("d1", record("d1"), reconcile=True), ["other hands"]),
        (past("d2", record("d1")), ["d2 has no record"]),
        (past("d2", record("d1", lost_count=3), record("d2", lost_count=2)), ["2 assets of older pages"]),
        (past("d2", record("d1", lost_count=3), record("d2")), []),
        (past(None), []),
    ],
)
def test_the_remarks_on_the_live_deployment(found: History, says: list[str]) -> None:
    assert len(found.remarks()) == len(says)
    assert all(part in remark for part, remark in zip(says, found.remarks(), strict=True))
