"""What a failed first deployment, the removal of a site and `cdk destroy` leave behind, and what they take."""

from typing import Any

import pytest

from sitewright.contracts import expiry
from tests.support.stacks.synthesized_templates import PLATFORM, Template, of_type

LASTING = {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}


def test_data_outlives_its_stack_but_not_a_creation_that_failed(templates: dict[str, Template]) -> None:
    for stack, template in templates.items():
        for name, resource in template["Resources"].items():
            policies = (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
            if resource["Type"] in LASTING:
                assert policies == ("RetainExceptOnCreate", "Retain"), (stack, name)
            else:
                # What stays after a rollback keeps its name, so a second attempt fails.
                assert policies in {(None, None), ("Delete", "Delete")}, (stack, name)
    assert {r["Type"] for t in templates.values() for r in t["Resources"].values()} >= LASTING


def test_only_the_platform_is_protected_from_deletion(stack_properties: dict[str, Any]) -> None:
    protected = {name for name, found in stack_properties.items() if found.get("terminationProtection")}
    assert protected == {PLATFORM}


@pytest.mark.parametrize("stack", [PLATFORM, "Sitewright-Site-amelia", "Sitewright-Site-certified"])
def test_a_bucket_keeps_what_is_deleted_or_replaced(templates: dict[str, Template], stack: str) -> None:
    [bucket] = of_type(templates[stack], "AWS::S3::Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def test_a_deleted_checkpoint_stays_for_some_days_and_no_longer(templates: dict[str, Template]) -> None:
    [bucket] = of_type(templates[PLATFORM], "AWS::S3::Bucket")
    [rule] = [r for r in bucket["LifecycleConfiguration"]["Rules"] if "NoncurrentVersionExpiration" in r]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": expiry.ARTIFACT_VERSION_DAYS}
    assert rule["ExpiredObjectDeleteMarker"] is True
    assert "TagFilters" not in rule and "Prefix" not in rule


def test_a_bucket_that_stayed_can_be_taken_back(templates: dict[str, Template]) -> None:
    # CloudFormation imports by a name that the template spells out, not by an expression.
    for stack, template in templates.items():
        if "-Site-" in stack:
            [bucket] = of_type(template, "AWS::S3::Bucket")
            assert isinstance(bucket["BucketName"], str), stack
