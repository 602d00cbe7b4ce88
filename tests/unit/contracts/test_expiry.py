"""The numbers of the retention must be consistent."""

import pytest

from sitewright.contracts import expiry
from sitewright.contracts.records import RECORD_TTL_DAYS


def test_a_checkpoint_outlives_the_session_that_points_to_it() -> None:
    # DynamoDB deletes an item within a few days after its time to live (developer guide, "Time to Live").
    assert expiry.CHECKPOINT_DAYS > 2 * RECORD_TTL_DAYS + 7


def test_more_deployments_than_s3_keeps_versions_of_are_refused() -> None:
    assert expiry.versions_kept() == expiry.DEPLOYMENTS_KEPT * expiry.WRITES_PER_DEPLOYMENT <= expiry.VERSIONS_LIMIT
    with pytest.raises(ValueError, match="at most 20"):
        expiry.versions_kept(21)
