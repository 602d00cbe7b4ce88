"""Numbers of the retention that must fit each other."""

from sitewright.contracts import expiry
from sitewright.contracts.records import RECORD_TTL_DAYS


def test_a_checkpoint_outlives_the_session_that_points_to_it() -> None:
    # DynamoDB deletes within a few days after the time to live (developer guide, "Time to Live").
    assert expiry.CHECKPOINT_DAYS > 2 * RECORD_TTL_DAYS + 7
