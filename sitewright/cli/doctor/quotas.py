"""The account's quotas that a new account meets first, beside what the sites of cdk.json need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.cli.doctor.aws_answers import error_code, unseen
from sitewright.cli.doctor.findings import Finding, failed, ok, warning
from sitewright.contracts.site_config import CERTIFICATE_REGION, SiteConfig

if TYPE_CHECKING:
    from mypy_boto3_service_quotas import ServiceQuotasClient

CHECK = "quotas"
VCPU_UNITS = 1024
"""CPU units of one vCPU."""

ROLES_PER_SITE, OTHER_ROLES = 2, 10
"""IAM roles of a site, and of the platform."""

OTHER_BUCKETS = 1
"""The platform's bucket of artifacts."""

LAMBDA_WANTED = 100
"""Concurrent executions. A new account may have 10, and the functions of all sites share them with everything else."""


@dataclass(frozen=True)
class Quota:
    """One quota of Service Quotas.

    The codes are those of https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html.
    """

    service: str
    code: str
    name: str
    judge: Callable[[float, Sequence[SiteConfig]], str]
    """Returns what does not fit; empty if all does."""
    fatal: bool
    """Whether a deployment or every run fails if it does not fit."""
    everywhere: bool = False
    """A quota of the account in all regions, which us-east-1 answers for."""


def _sessions(value: float, sites: Sequence[SiteConfig]) -> str:
    largest = max(site.cpu for site in sites)
    at_once = int(value * VCPU_UNITS // largest)
    return f"{at_once} sessions at once; further ones wait" if at_once < max(8, len(sites)) else ""


def _no_session(value: float, sites: Sequence[SiteConfig]) -> str:
    largest = max(site.cpu for site in sites)
    return f"a workspace with cpu {largest} does not fit" if value * VCPU_UNITS < largest else ""


def _lambdas(value: float, sites: Sequence[SiteConfig]) -> str:
    return "functions are throttled when several clients write at once" if value < LAMBDA_WANTED else ""


def _at_most(
    per_site: int, what: str, *, others: int = 0, wanted: Callable[[SiteConfig], bool] = lambda _: True
) -> Callable[..., str]:
    def judge(value: float, sites: Sequence[SiteConfig]) -> str:
        needed = others + per_site * sum(1 for site in sites if wanted(site))
        return f"the sites need {needed} {what}" if needed > value else ""

    return judge


_VCPU = ("fargate", "L-3032A538", "Fargate On-Demand vCPU")

QUOTAS = (
    Quota(*_VCPU, _no_session, fatal=True),
    Quota(*_VCPU, _sessions, fatal=False),
    Quota("lambda", "L-B99A9384", "Lambda concurrent executions", _lambdas, fatal=False),
    Quota("s3", "L-DC2B2D3D", "S3 buckets", _at_most(1, "buckets", others=OTHER_BUCKETS), fatal=True, everywhere=True),
    Quota(
        "iam",
        "L-FE177D64",
        "IAM roles",
        _at_most(ROLES_PER_SITE, "roles", others=OTHER_ROLES),
        fatal=True,
        everywhere=True,
    ),
    Quota(
        "cloudfront",
        "L-24B04930",
        "CloudFront distributions",
        _at_most(1, "distributions", wanted=lambda site: site.https),
        fatal=True,
        everywhere=True,
    ),
)


def quota_findings(
    client_of: Callable[[str], "ServiceQuotasClient"], region: str, sites: Sequence[SiteConfig]
) -> list[Finding]:
    """Compares each quota with the sites. `client_of` makes the client of a region."""
    clients = {name: client_of(name) for name in {region, CERTIFICATE_REGION}}
    values: dict[str, float | Finding] = {}
    for quota in QUOTAS:
        if quota.code not in values:
            client = clients[CERTIFICATE_REGION if quota.everywhere else region]
            try:
                values[quota.code] = _value(client, quota)
            except (ClientError, BotoCoreError) as error:
                values[quota.code] = unseen(f"{CHECK}: {quota.name}", "servicequotas:GetServiceQuota", error)
    return [_finding(code, value, sites) for code, value in values.items()]


def _finding(code: str, value: "float | Finding", sites: Sequence[SiteConfig]) -> Finding:
    judged = [quota for quota in QUOTAS if quota.code == code]
    check = f"{CHECK}: {judged[0].name}"
    if isinstance(value, Finding):
        return value
    for quota in judged:
        if missing := quota.judge(value, sites):
            remedy = f"Request an increase in the Service Quotas console ({quota.service}, {quota.code})."
            return (failed if quota.fatal else warning)(check, f"{value:g}: {missing}.", remedy)
    return ok(check, f"{value:g}.")


def _value(client: "ServiceQuotasClient", quota: Quota) -> float:
    """Returns the applied quota, or AWS's default: an account that never asked for more may have no applied one."""
    try:
        return client.get_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)["Quota"]["Value"]
    except ClientError as error:
        if error_code(error) != "NoSuchResourceException":
            raise
    return client.get_aws_default_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)["Quota"]["Value"]
