"""What a site's `model` names at Bedrock, and the ARNs of it."""

import pytest

from sitewright.contracts.model.bedrock_models import model_resource
from sitewright.contracts.site_config import SiteConfig, SiteConfigError

ENTRY = {"clientId": "a", "repository": "https://h/r.git", "modelProvider": "bedrock"}


@pytest.mark.parametrize(
    ("model", "profile", "foundation"),
    [
        (
            "us.anthropic.claude-opus-5-5",
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/us.anthropic.claude-opus-5-5",
            "arn:aws:bedrock:*::foundation-model/anthropic.claude-opus-5-5",
        ),
        (
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            None,
            "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123",
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123",
            "arn:aws:bedrock:*::foundation-model/*",
        ),
    ],
)
def test_a_model_has_arns(model: str, profile: str | None, foundation: str) -> None:
    named = model_resource(model)
    assert named is not None
    assert named.profile_arn("aws", "eu-west-1", "123456789012") == profile
    assert named.model_arn("aws", "eu-west-1") == foundation


@pytest.mark.parametrize("model", [None, "claude-opus-5-5", "us.anthropic.*", "arn:aws:s3:::x", "us.meta.llama"])
def test_a_site_with_bedrock_names_a_model_of_bedrock(model: str | None) -> None:
    with pytest.raises(SiteConfigError, match=r"us\.anthropic\.claude-opus-5-5"):
        SiteConfig.parse({**ENTRY, "model": model}, 0)


@pytest.mark.parametrize(
    "more", [{"modelProvider": "anthropic", "modelRegion": "us-west-2"}, {"modelRegion": "Oregon"}]
)
def test_a_region_is_one_and_for_bedrock_only(more: dict[str, str]) -> None:
    with pytest.raises(SiteConfigError, match="modelRegion"):
        SiteConfig.parse({**ENTRY, "model": "us.anthropic.claude-opus-5-5", **more}, 0)
