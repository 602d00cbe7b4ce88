"""How a deployment's counts grow with its sites. Pure: it reads templates, and knows no CDK."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.scale.quotas import Quota

Template = Mapping[str, Any]

PLATFORM, CDN, SITE, CERTIFICATE = (
    "Sitewright-Platform",
    "Sitewright-Cdn-",
    "Sitewright-Site-",
    "Sitewright-Certificate-",
)

SECRETS_OF_A_SITE = 2
"""Parameters that no template has: the operator stores them."""


@dataclass(frozen=True)
class Growth:
    """A count as a function of the number of sites of one kind."""

    fixed: int
    a_site: int
    a_cdn: int
    """For each stack of shared parts of distributions."""
    sites_of_a_cdn: int

    def at(self, sites: int) -> int:
        """Returns the count with so many sites."""
        return self.fixed + self.a_site * sites + self.a_cdn * -(-sites // self.sites_of_a_cdn)

    def sites_below(self, quota: int, most: int = 1_000_000) -> int | None:
        """Returns the largest number of sites whose count is within the quota; None if it never fills."""
        if not self.a_site and not self.a_cdn:
            return None
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.at(middle) <= quota else (low, middle - 1)
        return low


def growth(templates: Mapping[str, Template], quota: Quota, client: str, sites_of_a_cdn: int) -> Growth:
    """Returns the growth of a quota's count with sites like that of `client`. `templates` are those of its deployment."""
    https = any(kind == "AWS::CloudFront::Distribution" for kind in _types(templates[f"{SITE}{client}"]))
    certificate = templates.get(f"{CERTIFICATE}{client}")
    of_site = _count(templates[f"{SITE}{client}"], quota, "region")
    if certificate:
        of_site += _count(certificate, quota, "us-east-1")
    if "AWS::SSM::Parameter" in quota.types:
        of_site += SECRETS_OF_A_SITE
    shared = _count(templates[f"{CDN}1"], quota, "region") if https else 0
    return Growth(_count(templates[PLATFORM], quota, "region"), of_site, shared, sites_of_a_cdn)


def total(templates: Mapping[str, Template], quota: Quota) -> int:
    """Returns the count of a whole deployment, stack by stack."""
    found, sites = 0, 0
    for name, template in templates.items():
        found += _count(template, quota, "us-east-1" if name.startswith(CERTIFICATE) else "region")
        sites += name.startswith(SITE)
    return found + (sites * SECRETS_OF_A_SITE if "AWS::SSM::Parameter" in quota.types else 0)


def _count(template: Template, quota: Quota, region: str) -> int:
    if quota.where not in ("account", region):
        return 0
    if not quota.types:
        return 1
    return sum(kind in quota.types for kind in _types(template))


def _types(template: Template) -> list[str]:
    return [resource["Type"] for resource in template["Resources"].values()]
