"""What workspaces may reach: the ports, and the domains of the optional allow-list. Pure: no CDK."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from sitewright.contracts.names import github_api_host
from sitewright.contracts.site_config import SiteConfig, SiteConfigError
from sitewright.contracts.workspace_settings import GitAuth, ModelProvider

HTTPS = 443
ANTHROPIC = "api.anthropic.com"
NPM_REGISTRY = "registry.npmjs.org"

_REGIONAL = (
    "dynamodb.{region}.amazonaws.com",
    # Clients that know their account id use a name of its own (AWS SDKs and Tools reference, "Account-based endpoints").
    "*.ddb.{region}.amazonaws.com",
    # A bucket with dots in its name is addressed by path, any other by a name of its own.
    "s3.{region}.amazonaws.com",
    "*.s3.{region}.amazonaws.com",
    "states.{region}.amazonaws.com",
    "ssm.{region}.amazonaws.com",
    # Fargate pulls the image and sends the log from the task's own network interface (ECS developer guide, "Fargate task
    # networking").
    "logs.{region}.amazonaws.com",
    "api.ecr.{region}.amazonaws.com",
    "*.dkr.ecr.{region}.amazonaws.com",
)
_BEDROCK = "bedrock-runtime.{region}.amazonaws.com"
_CLOUDFRONT = "cloudfront.amazonaws.com"


@dataclass(frozen=True)
class Egress:
    """The way out of a workspace."""

    ports: tuple[int, ...] = (HTTPS,)
    """TCP ports: that of https, and those in the sites' URLs."""
    domains: tuple[str, ...] | None = None
    """The only names that resolve; None: every name does."""

    @classmethod
    def of(cls, sites: Sequence[SiteConfig], region: str, allow_list: Any) -> Self:
        """Returns the sites' way out. `allow_list` is the context `egressAllowList`. Raises SiteConfigError."""
        urls = [urlsplit(url) for site in sites for url in (site.repository, site.model_base_url) if url]
        ports = {HTTPS, *(url.port for url in urls if url.port and not _is_local(url.hostname))}
        extra = _extra(allow_list)
        if extra is None:
            return cls(tuple(sorted(ports)))
        names = {name for site in sites for name in _domains(site, region)} | {NPM_REGISTRY, *extra}
        names |= {name.format(region=region) for name in _REGIONAL}
        return cls(tuple(sorted(ports)), tuple(sorted(names)))


def _extra(allow_list: Any) -> list[str] | None:
    """Returns the further domains of an allow-list; None for no allow-list."""
    if allow_list in (None, False):
        return None
    if allow_list is True:
        return []
    if isinstance(allow_list, list) and all(isinstance(name, str) and _is_domain(name) for name in allow_list):
        return [name.rstrip(".").lower() for name in allow_list]
    raise SiteConfigError(
        f"egressAllowList: {allow_list!r} is neither true nor a list of domains like fonts.example.com or *.example.com"
    )


def _domains(site: SiteConfig, region: str) -> set[str]:
    urls = (site.repository, site.model_base_url, site.url)
    names = {urlsplit(url).hostname for url in urls if url} | {site.host}
    if site.model_base_url is None:
        names.add(
            ANTHROPIC
            if site.model_provider is ModelProvider.ANTHROPIC
            else _BEDROCK.format(region=site.model_region or region)
        )
    if site.git_auth is GitAuth.GITHUB_APP:
        names.add(github_api_host(urlsplit(site.repository).hostname or ""))
    if site.https:
        names.add(_CLOUDFRONT)
    return {name for name in names if name and not _is_local(name)}


def _is_local(name: str | None) -> bool:
    """Tells whether a host needs no DNS: an address, or localhost."""
    try:
        ip_address(name or "")
    except ValueError:
        return name == "localhost"
    return True


def _is_domain(name: str) -> bool:
    labels = name.removeprefix("*.").rstrip(".").split(".")
    return len(labels) > 1 and all(
        0 < len(label) < 64 and label.isascii() and label.replace("-", "").replace("_", "").isalnum()
        for label in labels
    )
