"""Credentials, bootstrap, public access and quotas, against moto and a small double of Service Quotas."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from moto import mock_aws

from sitewright.cli.doctor import account
from sitewright.cli.doctor.findings import Status
from sitewright.cli.doctor.quotas import quota_findings
from sitewright.contracts.site_config import SiteConfig, parse_sites

REGION, NUMBER = "eu-central-1", "123456789012"
REPOSITORY = "https://github.com/acme/site"
ARN = f"arn:aws:acm:us-east-1:{NUMBER}:certificate/abc"


def sites(*changes: dict[str, Any]) -> list[SiteConfig]:
    entries = [{"clientId": f"client{i}", "repository": REPOSITORY, **change} for i, change in enumerate(changes)]
    return parse_sites(entries, None)


HTTPS = {"https": True, "certificateArn": ARN}
ZONE = {"https": True, "domain": "acme.com", "hostedZone": "Z1"}


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, operation)


def refuse(client: Any, operation: str) -> Any:
    """Has every request of the client refused, as IAM refuses it."""

    def before(**_: object) -> None:
        raise denied(operation)

    client.meta.events.register("before-call", before)
    return client


def test_the_account_and_the_caller_are_named() -> None:
    number, finding = account.identity(boto3.client("sts", REGION))
    assert number == NUMBER
    assert finding.status is Status.OK and NUMBER in finding.message


def test_without_credentials_the_check_fails_and_says_how_to_sign_in() -> None:
    class Sts:
        def get_caller_identity(self) -> None:
            raise NoCredentialsError

    number, finding = account.identity(Sts())  # type: ignore[arg-type]
    assert number is None
    assert finding.status is Status.FAILED and "aws sso login" in finding.remedy


def test_without_a_network_the_credentials_are_not_checked() -> None:
    class Sts:
        def get_caller_identity(self) -> None:
            raise EndpointConnectionError(endpoint_url="https://sts.example")

    number, finding = account.identity(Sts())  # type: ignore[arg-type]
    assert number is None
    assert finding.status is Status.NOT_CHECKED and "network" in finding.remedy


@pytest.mark.parametrize(("version", "status"), [(None, Status.FAILED), ("5", Status.FAILED), ("28", Status.OK)])
def test_the_bootstrap_is_found_by_its_version(version: str | None, status: Status) -> None:
    if version:
        boto3.client("ssm", REGION).put_parameter(Name=account.BOOTSTRAP_PARAMETER, Value=version, Type="String")
    (finding,) = account.bootstrap(lambda name: boto3.client("ssm", name), NUMBER, REGION, sites({}))
    assert (finding.status, finding.subject) == (status, REGION)
    assert ("cdk bootstrap aws://123456789012/eu-central-1" in finding.remedy) is (status is Status.FAILED)


def test_a_certificate_needs_the_bootstrap_of_its_region_too() -> None:
    found = account.bootstrap(lambda name: boto3.client("ssm", name), NUMBER, REGION, sites(ZONE))
    assert [finding.subject for finding in found] == [REGION, "us-east-1"]
    own = account.bootstrap(lambda name: boto3.client("ssm", name), NUMBER, REGION, sites(HTTPS))
    assert [finding.subject for finding in own] == [REGION]


def test_what_the_caller_may_not_see_is_not_checked() -> None:
    ssm, s3 = refuse(boto3.client("ssm", REGION), "GetParameter"), refuse(boto3.client("s3control", REGION), "Get")
    (bootstrap,) = account.bootstrap(lambda _: ssm, NUMBER, REGION, sites({}))
    (public,) = account.public_access(s3, NUMBER, sites({}))
    assert [bootstrap.status, public.status] == [Status.NOT_CHECKED] * 2
    assert "ssm:GetParameter" in bootstrap.message
    assert "s3:GetAccountPublicAccessBlock" in public.message


@pytest.mark.parametrize(
    ("blocked", "status"),
    [
        (None, Status.OK),
        ({"BlockPublicAcls": True, "IgnorePublicAcls": True}, Status.OK),
        ({"BlockPublicPolicy": True}, Status.FAILED),
        ({"RestrictPublicBuckets": True}, Status.FAILED),
    ],
)
def test_a_public_site_needs_an_account_that_allows_public_buckets(
    blocked: dict[str, bool] | None, status: Status
) -> None:
    s3 = boto3.client("s3control", REGION)
    if blocked:
        s3.put_public_access_block(AccountId=NUMBER, PublicAccessBlockConfiguration=blocked)  # type: ignore[arg-type]
    (finding,) = account.public_access(s3, NUMBER, sites({}, HTTPS))
    assert finding.status is status
    if status is Status.FAILED:
        assert "client0" in finding.message and "client1" not in finding.message
        assert "https: true" in finding.remedy


def test_private_sites_need_no_public_bucket() -> None:
    s3 = refuse(boto3.client("s3control", REGION), "Get")  # is not asked
    (finding,) = account.public_access(s3, NUMBER, sites(HTTPS))
    assert finding.status is Status.OK


class Quotas:
    """A double of Service Quotas. `applied` and `default` are values by code; a missing one is refused."""

    def __init__(self, applied: dict[str, float], default: dict[str, float]) -> None:
        self.applied, self.default = applied, default

    def get_service_quota(self, **names: str) -> Any:
        return self._value(self.applied, names, "NoSuchResourceException")

    def get_aws_default_service_quota(self, **names: str) -> Any:
        return self._value(self.default, names, "AccessDeniedException")

    def _value(self, values: dict[str, float], names: dict[str, str], code: str) -> Any:
        if names["QuotaCode"] not in values:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetServiceQuota")
        return {"Quota": {"Value": values[names["QuotaCode"]]}}


LARGE = {"L-3032A538": 4000.0, "L-B99A9384": 1000.0, "L-DC2B2D3D": 10_000.0, "L-FE177D64": 1000.0, "L-24B04930": 500.0}


def judged(changes: dict[str, float], entries: list[SiteConfig], **double: dict[str, float]) -> dict[str, Status]:
    client = Quotas(**{"applied": {**LARGE, **changes}, "default": {}, **double})
    found = quota_findings(lambda _: client, REGION, entries)  # type: ignore[arg-type,return-value]
    return {finding.check.removeprefix("quotas: "): finding.status for finding in found}


def test_large_quotas_are_fine() -> None:
    assert set(judged({}, sites({})).values()) == {Status.OK}


@pytest.mark.parametrize(
    ("changes", "name", "status"),
    [
        ({"L-3032A538": 6.0}, "Fargate On-Demand vCPU", Status.WARNING),
        ({"L-3032A538": 1.0}, "Fargate On-Demand vCPU", Status.FAILED),
        ({"L-B99A9384": 10.0}, "Lambda concurrent executions", Status.WARNING),
        ({"L-DC2B2D3D": 2.0}, "S3 buckets", Status.FAILED),
        ({"L-FE177D64": 13.0}, "IAM roles", Status.FAILED),
        ({"L-24B04930": 0.0}, "CloudFront distributions", Status.FAILED),
    ],
)
def test_a_small_quota_is_told(changes: dict[str, float], name: str, status: Status) -> None:
    found = judged(changes, sites({}, HTTPS))
    assert found.pop(name) is status
    assert set(found.values()) == {Status.OK}


def test_an_account_without_an_applied_quota_has_the_default_one() -> None:
    found = judged({}, sites({}), applied={}, default=LARGE)
    assert set(found.values()) == {Status.OK}


def test_a_refused_quota_is_not_checked() -> None:
    found = judged({}, sites({}), applied={}, default={})
    assert set(found.values()) == {Status.NOT_CHECKED}
