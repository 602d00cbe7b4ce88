"""Asks the model's API whether the key is valid and the model exists. Nothing is generated, and nothing is billed."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from sitewright.cli.doctor.findings import Finding, failed, not_checked, ok
from sitewright.cli.doctor.http_probe import Answer, NoAnswer
from sitewright.contracts.model.bedrock_models import model_resource
from sitewright.contracts.site_config import SiteConfig

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

CHECK = "model"
ANTHROPIC_URL = "https://api.anthropic.com"
API_VERSION = "2023-06-01"
"""Anthropic's API reference, "Versions"."""


def key_is_valid(site: SiteConfig, key: str, get: Callable[[str, dict[str, str]], Answer]) -> Finding:
    """Lists the site's model, or one model if the site names none (Anthropic's API reference, "Models")."""
    base = (site.model_base_url or ANTHROPIC_URL).rstrip("/")
    path = f"/v1/models/{quote(site.model, safe='')}" if site.model else "/v1/models?limit=1"
    who = site.client_id
    try:
        answer = get(base + path, {"x-api-key": key, "anthropic-version": API_VERSION})
    except NoAnswer as error:
        return not_checked(CHECK, f"{error}.", "Check `modelBaseUrl` and this machine's network.", who)
    if answer.status == 200:
        return ok(CHECK, f"the key is valid for {site.model or 'the API'}.", who)
    if answer.status == 401:
        return failed(CHECK, f"{base} refuses the key (401).", "It is wrong or revoked: store a new one.", who)
    if answer.status == 403:
        return failed(CHECK, f"the key may not use {base} (403).", "Look at its workspace's permissions.", who)
    if answer.status == 404 and site.model:
        return failed(CHECK, f"{base} has no model {site.model!r} (404).", "Correct `model`.", who)
    return not_checked(CHECK, f"{base} answered with status {answer.status}.", "Try again later.", who)


def bedrock_access(site: SiteConfig, bedrock: "BedrockClient") -> Finding:
    """Asks whether the account may use the model. Raises botocore's exceptions.

    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModelAvailability.html
    """
    named, who = model_resource(site.model or ""), site.client_id
    if named is None or named.model == "*":
        return not_checked(CHECK, f"{site.model} does not tell its model.", "Look at it in Bedrock's console.", who)
    told = bedrock.get_foundation_model_availability(modelId=named.model)
    reasons = [
        text
        for text, wrong in (
            ("the account is not authorized", told["authorizationStatus"] != "AUTHORIZED"),
            ("the account has no entitlement", told["entitlementAvailability"] != "AVAILABLE"),
            ("the model's agreement is not accepted", told["agreementAvailability"]["status"] == "NOT_AVAILABLE"),
            # A profile sends requests to other regions too.
            ("the region does not have it", not named.profile and told["regionAvailability"] != "AVAILABLE"),
        )
        if wrong
    ]
    if reasons:
        return failed(CHECK, f"{named.model}: {', '.join(reasons)}.", "Request access in Bedrock's console.", who)
    return ok(CHECK, f"the account may use {named.model}.", who)
