"""Parses and checks a site's settings from the context of cdk.json."""

import difflib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from sitewright.contracts.base import Contract
from sitewright.contracts.commit_author import CommitAuthor
from sitewright.contracts.model.bedrock_models import model_resource
from sitewright.contracts.names import BUCKET_PREFIXES, site_host, website_url
from sitewright.contracts.workspace_settings import GitAuth, ModelProvider, OperatorSettings

DEFAULT_DOMAIN = "webordinary.com"
DEFAULT_CLIENT = "amelia"
DEFAULT_REGION = "us-west-2"

CERTIFICATE_REGION = "us-east-1"
"""CloudFront takes certificates of this region only (ACM user guide, "Supported Regions")."""

_CERTIFICATE = re.compile(r"arn:[a-z-]+:acm:(?P<region>[a-z0-9-]+):\d{12}:certificate/[A-Za-z0-9-]+")
_ZONE_ID = re.compile(r"(?:/hostedzone/)?(?P<id>Z[A-Z0-9]{1,31})")
_GITHUB_PATH = re.compile(r"[\w.-]+/[\w.-]+")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
"""A host or a bucket: labels with dots between them. CDK and S3 refuse a hyphen beside a dot, and two dots."""

_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
"""Ends of names that S3 keeps for itself (S3 User Guide, "General purpose bucket naming rules")."""

CERTIFICATE_HOST_LENGTH = 64
"""Maximum length of the first name of a certificate (ACM API reference, RequestCertificate, `DomainName`)."""

FARGATE_MEMORY: dict[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
"""Allowed MiB by CPU units (ECS developer guide, "Troubleshoot Amazon ECS task definition invalid CPU or memory errors")."""


def _listed(sizes: Sequence[int]) -> str:
    if isinstance(sizes, range):
        return f"{sizes[0]} to {sizes[-1]} in steps of {sizes.step}"
    return ", ".join(map(str, sizes))


class SiteConfigError(ValueError):
    """An entry in `sites` is wrong. The text is one line that names the entry, the fault and the remedy."""


class HostedZone(Contract):
    """A public Route 53 zone. The operator gives its id and name, because a look-up would need credentials at synth."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    id: str
    name: str | None = None
    """The zone's domain. None stands for the site's `domain`."""

    @model_validator(mode="before")
    @classmethod
    def _id_alone(cls, value: Any) -> Any:
        return {"id": value} if isinstance(value, str) else value

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        match = _ZONE_ID.fullmatch(value)
        if match is None:
            raise ValueError("must be the id that Route 53 shows, like Z0123456789ABCDEFGHIJ")
        return match["id"]

    @field_validator("name")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        return value.rstrip(".").lower() if value else None


class SiteConfig(OperatorSettings):
    """One entry of `sites`. Unknown names are refused, because a misspelt setting must not be ignored in silence."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    domain: str = DEFAULT_DOMAIN
    site_url: str | None = None
    """The site's public URL. The default is http://edit.{clientId}.{domain}, and https://… with `https`."""
    https: bool = False
    """Whether CloudFront serves the site from a private bucket, instead of S3's own website."""
    certificate_arn: str | None = None
    """ARN of a certificate for the site's host, with `https`. By default the stack makes one, validated in `hosted_zone`."""
    bucket_name: str | None = None
    """Name of the site's bucket, with `https`. The default is the host's name, which somebody else may own already."""
    hosted_zone: HostedZone | None = None
    """The zone that gets the DNS records of the site's host. A text is the zone's id, and its name is then `domain`."""
    sign_commits: bool = False
    """Whether the commits are signed, with the SSH key in the site's secret."""
    run_timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = 5400
    monthly_budget_usd: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """US dollars that the model may take in a month (UTC). Once they are used up, intake refuses new commands."""
    max_message_age_seconds: Annotated[int, Field(ge=3600, le=1_209_600)] = 21_600
    """The age beyond which a message is rejected. A failing intake is repeated for 23 minutes, and SQS keeps messages 14 days."""
    build_repair_attempts: Annotated[int, Field(ge=0, le=3)] = 1
    """Maximum number of repairs of a command: how often the agent gets a build that its edit broke."""
    cpu: int = 2048
    memory_mib: int = 4096
    """Together with `cpu` one of Fargate's sizes."""

    @field_validator("cpu")
    @classmethod
    def _cpu(cls, value: int) -> int:
        if value not in FARGATE_MEMORY:
            raise ValueError(f"Fargate has no task with {value} CPU units, only {', '.join(map(str, FARGATE_MEMORY))}")
        return value

    @model_validator(mode="after")
    def _size(self) -> Self:
        sizes = FARGATE_MEMORY[self.cpu]
        if self.memory_mib not in sizes:
            raise ValueError(
                f"memoryMib: Fargate has no task with cpu {self.cpu} and memoryMib {self.memory_mib}; "
                f"allowed are {_listed(sizes)}"
            )
        return self

    @field_validator("repository")
    @classmethod
    def _repository(cls, value: str) -> str:
        url = urlsplit(value)
        loopback = url.hostname in {"127.0.0.1", "localhost", "::1"}
        if not url.hostname or not (url.scheme == "https" or (url.scheme == "http" and loopback)):
            raise ValueError("must be an https:// URL of a git repository")
        if url.username or url.password:
            raise ValueError("must not hold credentials: the token belongs into the site's secret")
        return value

    @model_validator(mode="after")
    def _app(self) -> Self:
        path = urlsplit(self.repository).path.strip("/")
        if self.git_auth is GitAuth.GITHUB_APP and not _GITHUB_PATH.fullmatch(path):
            raise ValueError("repository: with gitAuth github-app it must be https://HOST/OWNER/NAME on a GitHub host")
        return self

    @model_validator(mode="after")
    def _model(self) -> Self:
        bedrock = self.model_provider is ModelProvider.BEDROCK
        if bedrock and not model_resource(self.model or ""):
            raise ValueError(
                "model: modelProvider bedrock needs the id or ARN of an inference profile or model, "
                "like us.anthropic.claude-opus-5-5"
            )
        if self.model_region is not None and not (bedrock and _REGION.fullmatch(self.model_region)):
            raise ValueError("modelRegion: must be an AWS region, and is for modelProvider bedrock only")
        return self

    @field_validator("certificate_arn")
    @classmethod
    def _certificate(cls, value: str | None) -> str | None:
        if value is None:
            return None
        match = _CERTIFICATE.fullmatch(value)
        if match is None:
            raise ValueError("must be the ARN of an ACM certificate")
        if match["region"] != CERTIFICATE_REGION:
            raise ValueError(
                f"is in {match['region']}, CloudFront takes certificates of {CERTIFICATE_REGION} only; "
                "request it there, or leave it out and set hostedZone"
            )
        return value

    @model_validator(mode="after")
    def _https(self) -> Self:
        if self.https and self.certificate_arn is None and self.hosted_zone is None:
            raise ValueError(
                'https: needs a certificate; set hostedZone ({"id": "Z…", "name": "…"}) to have one made, '
                f"or certificateArn, one of {CERTIFICATE_REGION}"
            )
        if self.certificate_arn is not None and not self.https:
            raise ValueError("certificateArn: S3's website speaks http only; set https to true, or leave it out")
        zone = self.zone_name
        if zone is not None and not self.host.endswith(f".{zone}"):
            raise ValueError(f"hostedZone: {self.host} is not in the zone {zone}; name the zone that holds it")
        return self

    @model_validator(mode="after")
    def _bucket_name(self) -> Self:
        if self.bucket_name is None:
            return self
        if not self.https:
            raise ValueError(
                "bucketName: S3's website finds its bucket by the host; set https to true, or leave it out"
            )
        if not self.bucket_name.startswith(BUCKET_PREFIXES):
            raise ValueError(
                f"bucketName: must begin with {' or '.join(BUCKET_PREFIXES)}, which the functions may read"
            )
        return self

    @property
    def host(self) -> str:
        """The site's host name."""
        return site_host(self.client_id, self.domain)

    @property
    def zone_name(self) -> str | None:
        """The domain of the hosted zone; None without a zone."""
        return (self.hosted_zone.name or self.domain) if self.hosted_zone else None

    @property
    def bucket(self) -> str:
        """Name of the site's bucket. `https` alone does not change it, so its content stays when `https` changes."""
        return self.bucket_name or self.host

    @property
    def url(self) -> str:
        """The site's public URL."""
        return self.site_url or website_url(self.host, https=self.https)

    @classmethod
    def parse(cls, entry: Any, position: int) -> Self:
        """Parses one entry of the list. Raises SiteConfigError."""
        name = entry.get("clientId") if isinstance(entry, dict) else None
        where = f"sites[{position}]" + (f" (clientId {name!r})" if name else "")
        if not isinstance(entry, dict):
            raise SiteConfigError(f'{where}: is no object. Write {{"clientId": …, "repository": …}} in cdk.json.')
        try:
            site = cls.model_validate(entry)
        except ValidationError as error:
            raise SiteConfigError(f"{where}: {_fault(error)}") from error
        if not _is_bucket(site.bucket):
            raise SiteConfigError(
                f"{where}: {site.bucket!r} is no S3 bucket name (3 to 63 characters, lower case). "
                "Shorten or correct clientId or domain in cdk.json, or with https bucketName."
            )
        if not _NAME.fullmatch(site.host) or len(site.host) > 253:
            raise SiteConfigError(f"{where}: {site.host!r} is no host name. Correct domain in cdk.json, in lower case.")
        if site.https and site.certificate_arn is None and len(site.host) > CERTIFICATE_HOST_LENGTH:
            raise SiteConfigError(
                f"{where}: {site.host!r} has more than {CERTIFICATE_HOST_LENGTH} characters, too many for a certificate "
                "that is made. Shorten clientId or domain in cdk.json, or set certificateArn."
            )
        return site


def _is_bucket(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and 3 <= len(name) <= 63 and not name.endswith(_RESERVED_ENDS)


def _fault(error: ValidationError) -> str:
    """Describes the first fault and its remedy in one line. Never repeats a value, which may be a credential."""
    first = error.errors(include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    message = " ".join(str(first["msg"]).removeprefix("Value error, ").split())
    remedy = "Correct it in the context `sites` of cdk.json."
    if first["type"] == "missing":
        message, remedy = "is missing", "Add it to the entry in the context `sites` of cdk.json."
    elif first["type"] == "extra_forbidden":
        nested: dict[str, type[Contract]] = {"hostedZone": HostedZone, "commitAuthor": CommitAuthor}
        model = nested[str(first["loc"][0])] if len(first["loc"]) > 1 else SiteConfig
        known = [to_camel(name) for name in model.model_fields]
        near = difflib.get_close_matches(str(first["loc"][-1]), known, 1)
        message = "there is no such setting" + (f", did you mean {near[0]!r}?" if near else "")
        remedy = f"Remove or correct it in cdk.json; settings are {', '.join(known)}."
    end = "" if message.endswith("?") else "."
    return f"{field}{': ' if field else ''}{message}{end} {remedy}"


def parse_region(context: Any) -> str:
    """Returns the region of the context `region`, or the default one. Raises SiteConfigError."""
    region = context or DEFAULT_REGION
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise SiteConfigError(f"region: {region!r} is no AWS region, like {DEFAULT_REGION}. Correct it in cdk.json.")
    return region


def parse_sites(entries: Any, defaults: Any = None) -> list[SiteConfig]:
    """Parses all sites of the context. `defaults` is the context `siteDefaults`: settings that an entry leaves out.

    Raises SiteConfigError for the first wrong, missing or duplicate entry.
    """
    if not isinstance(defaults, dict | None) or "clientId" in (defaults or {}):
        raise SiteConfigError("siteDefaults: must be an object of settings without clientId. Correct it in cdk.json.")
    if not isinstance(entries, list) or not entries:
        raise SiteConfigError("sites: must be a non-empty list. Add an entry to the context `sites` of cdk.json.")
    filled = [{**(defaults or {}), **entry} if isinstance(entry, dict) else entry for entry in entries]
    sites = [SiteConfig.parse(entry, i) for i, entry in enumerate(filled)]
    for setting, values in {"clientId": [s.client_id for s in sites], "bucketName": [s.bucket for s in sites]}.items():
        for i, value in enumerate(values):
            if (first := values.index(value)) < i:
                raise SiteConfigError(
                    f"sites[{i}] (clientId {sites[i].client_id!r}): {setting} {value!r} is that of sites[{first}]. "
                    f"Give each site a {setting} of its own in cdk.json."
                )
    return sites
