"""The objects and versions that the buckets' lifecycle rules delete, and those that they must keep."""

import json
from typing import Any

from sitewright.contracts import expiry
from sitewright.contracts.expiry import DEPLOYMENTS_KEPT
from tests.support.stacks.synthesized_templates import PLATFORM, statements

SITE = "Sitewright-Site-amelia"


def rules(template: dict[str, Any]) -> list[dict[str, Any]]:
    [bucket] = [r for r in template["Resources"].values() if r["Type"] == "AWS::S3::Bucket"]
    found: list[dict[str, Any]] = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in found)
    return found


def test_the_versions_of_the_kept_deployments_stay_whatever_their_age(templates: dict[str, Any]) -> None:
    [rule, hashed] = rules(templates[SITE])
    kept = rule["NoncurrentVersionExpiration"]
    assert kept["NewerNoncurrentVersions"] >= DEPLOYMENTS_KEPT * 3  # a write, its repetition, a partial publish
    assert kept["NewerNoncurrentVersions"] <= 100, "S3 takes no more"
    assert kept["NoncurrentDays"] >= 1
    assert "Prefix" not in rule
    # A rule by age alone must select only keys whose content never changes. No rollback copies their versions.
    assert hashed["Prefix"] == expiry.HASHED_PREFIX
    assert hashed["NoncurrentVersionExpiration"] == {"NoncurrentDays": kept["NoncurrentDays"]}
    assert not [name for found in (rule, hashed) for name in found if name in {"ExpirationInDays", "ExpirationDate"}]


def test_lifecycle_rules_delete_unfinished_uploads_and_delete_markers(templates: dict[str, Any]) -> None:
    [rule, _] = rules(templates[SITE])
    assert rule["ExpiredObjectDeleteMarker"] is True
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    [abort] = [r for r in rules(templates[PLATFORM]) if "AbortIncompleteMultipartUpload" in r]
    assert abort["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "TagFilters" not in abort, "S3 refuses that together with a tag"


def test_of_the_artifacts_only_what_is_tagged_expires(templates: dict[str, Any]) -> None:
    expiring = [rule for rule in rules(templates[PLATFORM]) if "ExpirationInDays" in rule]
    assert {rule["TagFilters"][0]["Value"]: rule["ExpirationInDays"] for rule in expiring} == {
        expiry.CHECKPOINT: expiry.CHECKPOINT_DAYS,
        expiry.CACHE: expiry.CACHE_DAYS,
    }
    assert all(len(rule["TagFilters"]) == 1 and rule["TagFilters"][0]["Key"] == expiry.TAG for rule in expiring)


def test_the_workspace_may_tag_what_it_stores(templates: dict[str, Any]) -> None:
    tagging = [s for s in statements(templates[SITE], "TaskRole") if "s3:PutObjectTagging" in s["Action"]]
    assert len(tagging) == 1
    assert json.dumps(tagging[0]["Resource"]).endswith('/amelia/*"]]}')


def test_record_sync_deletes_manifests_of_deployments_only(templates: dict[str, Any]) -> None:
    found = {}
    for statement in statements(templates[PLATFORM], "RecordSync"):
        for action in [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]:
            found.setdefault(action, []).append(statement)
    [delete] = found["s3:DeleteObject"]
    assert json.dumps(delete["Resource"]).endswith('/*/site/deployments/*.json.gz"]]}')
    assert json.dumps(found["s3:PutObject"][0]["Resource"]).endswith('/*/site/manifest.json.gz"]]}')
    [listing] = [s for s in found["s3:ListBucket"] if "Condition" in s]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["*/site/manifest.json.gz"]}}
    assert {action for action in found if action.startswith("dynamodb:")} == {
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:Query",
    }
