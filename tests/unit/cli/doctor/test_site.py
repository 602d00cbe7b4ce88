"""The checks of a site: secrets, git host, model, DNS. Git host and model are doubles that answer by status."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from sitewright.cli.doctor.dns_check import Unanswered
from sitewright.cli.doctor.findings import Finding, Status
from sitewright.cli.doctor.git_check import ADVERTISEMENT
from sitewright.cli.doctor.http_probe import Answer, NoAnswer
from sitewright.cli.doctor.site import SiteClients, site_findings
from sitewright.contracts.names import GITHUB_APP_SECRET, SITE_PARAMETER_PREFIX, secret_parameter
from sitewright.contracts.records import SiteEntry
from sitewright.contracts.site_config import SiteConfig, parse_sites

REGION, TOKEN, KEY = "eu-central-1", "github_pat_ABC", "sk-ant-xyz"
ENTRY = SiteEntry(
    client_id="amelia",
    state_machine_arn="arn:aws:states:eu-central-1:1:stateMachine:m",
    site_url="http://edit.amelia.acme.com",
    bucket="edit.amelia.acme.com",
    artifacts_bucket="a",
    deployments_table="t",
)
PUSHES = Answer(200, f"{ADVERTISEMENT}; charset=utf-8", "")
MODELS = Answer(200, "application/json", "")


def site(**changes: Any) -> SiteConfig:
    entry = {"clientId": "amelia", "repository": "https://github.com/acme/site", "domain": "acme.com", **changes}
    return parse_sites([entry], None)[0]


@functools.cache
def client(service: str) -> Any:
    """A client for all tests: making one takes longer than a test."""
    return boto3.client(service, REGION)  # type: ignore[call-overload]


def put_secret(name: str, value: str) -> None:
    parameter = secret_parameter("amelia", name)
    client("ssm").put_parameter(Name=parameter, Value=value, Type="SecureString", Overwrite=True)


def delete_secret(name: str) -> None:
    client("ssm").delete_parameter(Name=secret_parameter("amelia", name))


class World:
    """What a site's checks ask."""

    def __init__(self) -> None:
        self.git: Answer | NoAnswer = PUSHES
        self.model: Answer | NoAnswer = MODELS
        self.names: dict[tuple[str, str], Sequence[str]] = {
            ("edit.amelia.acme.com", "CNAME"): ["edit.amelia.acme.com.s3-website.eu-central-1.amazonaws.com"]
        }
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.bedrock: dict[str, Any] = {}

    def get(self, url: str, headers: dict[str, str]) -> Answer:
        self.asked.append((url, headers))
        answer = self.git if "git-receive-pack" in url else self.model
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    def lookup(self, name: str, kind: str) -> Sequence[str]:
        if ("*", kind) in self.names:
            raise Unanswered("no DNS server answered")
        return self.names.get((name, kind), [])

    def get_hosted_zone(self, Id: str) -> dict[str, Any]:
        if Id == "Z2":
            return {"HostedZone": {"Name": "acme.com.", "Config": {"PrivateZone": True}}, "VPCs": []}
        if Id == "Z3":
            raise ClientError({"Error": {"Code": "NoSuchHostedZone", "Message": "no"}}, "GetHostedZone")
        name = "acme.com." if Id == "Z1" else "other.example."
        return {
            "HostedZone": {"Name": name},
            "DelegationSet": {"NameServers": ["ns-2.AWSDNS.org.", "ns-1.awsdns.com"]},
        }

    def get_foundation_model_availability(self, modelId: str) -> dict[str, Any]:
        return {"modelId": modelId, **self.bedrock}

    def findings(self, of: SiteConfig) -> dict[str, Finding]:
        clients = SiteClients(
            region=REGION,
            ssm=client("ssm"),
            route53=self,  # type: ignore[arg-type]
            cloudfront=client("cloudfront"),
            bedrock=lambda _: self,  # type: ignore[arg-type,return-value]
            get=self.get,
            lookup=self.lookup,
        )
        return {finding.check: finding for finding in site_findings(of, clients)}


@pytest.fixture
def world() -> Iterator[World]:
    with mock_aws():
        client("ssm").put_parameter(Name=f"{SITE_PARAMETER_PREFIX}amelia", Value=ENTRY.to_json(), Type="String")
        put_secret("git-token", TOKEN)
        put_secret("model-key", f'{{"key": "{KEY}"}}')
        yield World()


def test_a_site_in_order_passes_every_check_and_no_secret_is_shown(world: World) -> None:
    found = world.findings(site())
    assert {finding.status for finding in found.values()} == {Status.OK}
    assert list(found) == ["registration", "secret git-token", "git token", "secret model-key", "model", "DNS"]
    assert all(TOKEN not in str(finding) and KEY not in str(finding) for finding in found.values())
    assert world.asked[1][1]["x-api-key"] == KEY  # also of a JSON object


def test_a_site_that_is_not_deployed_is_a_warning(world: World) -> None:
    client("ssm").delete_parameter(Name=f"{SITE_PARAMETER_PREFIX}amelia")
    found = world.findings(site())
    assert found["registration"].status is Status.WARNING
    assert "cdk deploy Sitewright-Site-amelia" in found["registration"].remedy


def test_a_registration_of_another_version_fails(world: World) -> None:
    client("ssm").put_parameter(Name=f"{SITE_PARAMETER_PREFIX}amelia", Value="{}", Type="String", Overwrite=True)
    found = world.findings(site())
    assert found["registration"].status is Status.FAILED
    assert found["DNS"].status is Status.OK


def test_a_missing_secret_fails_and_what_needs_it_is_not_asked(world: World) -> None:
    delete_secret("git-token")
    put_secret("model-key", "two words")
    found = world.findings(site())
    assert found["secret git-token"].status is Status.FAILED
    assert found["secret model-key"].status is Status.FAILED
    assert "--name /sitewright/secrets/amelia/git-token" in found["secret git-token"].remedy
    assert world.asked == []


def test_each_secret_of_the_build_is_looked_for_and_none_is_shown(world: World) -> None:
    put_secret("build/cms", "line one\nthe-value of-it")
    secrets = {"CMS_TOKEN": {"secret": "cms"}, "ALSO": {"secret": "cms"}, "NPM_TOKEN": {"secret": "npm"}, "PLAIN": "x"}
    found = world.findings(site(buildEnvironment=secrets))
    assert found["secret build/cms"].status is Status.OK and found["secret build/npm"].status is Status.FAILED
    assert "--name /sitewright/secrets/amelia/build/npm" in found["secret build/npm"].remedy
    assert all("the-value" not in str(finding) for finding in found.values())


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (Answer(401, "", ""), Status.FAILED, "wrong or expired"),
        (Answer(403, "", ""), Status.FAILED, "read and write access"),
        (Answer(404, "", ""), Status.FAILED, "Correct `repository`"),
        (Answer(200, "text/html", ""), Status.FAILED, "no git repository"),
        (Answer(301, "", "https://github.com/acme/new/info/refs?service=x"), Status.WARNING, "acme/new"),
        (Answer(502, "", ""), Status.NOT_CHECKED, "502"),
        (NoAnswer("github.com does not answer (timed out)"), Status.NOT_CHECKED, "timed out"),
    ],
)
def test_the_git_hosts_answer_is_told(world: World, answer: Answer | NoAnswer, status: Status, says: str) -> None:
    world.git = answer
    finding = world.findings(site())["git token"]
    assert finding.status is status
    assert says in str(finding)


@pytest.mark.parametrize(
    ("answer", "model", "status", "says"),
    [
        (Answer(401, "", ""), None, Status.FAILED, "store a new one"),
        (Answer(403, "", ""), None, Status.FAILED, "permissions"),
        (Answer(404, "", ""), "claude-nonsense", Status.FAILED, "Correct `model`"),
        (Answer(404, "", ""), None, Status.NOT_CHECKED, "404"),
        (Answer(529, "", ""), None, Status.NOT_CHECKED, "529"),
        (NoAnswer("api.anthropic.com does not answer"), None, Status.NOT_CHECKED, "network"),
    ],
)
def test_the_models_answer_is_told(
    world: World, answer: Answer | NoAnswer, model: str | None, status: Status, says: str
) -> None:
    world.model = answer
    finding = world.findings(site(model=model))["model"]
    assert finding.status is status
    assert says in str(finding)


def test_bedrock_needs_access_and_no_key(world: World) -> None:
    delete_secret("model-key")
    available = {
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": "NOT_AVAILABLE",
        "agreementAvailability": {"status": "AVAILABLE"},
    }
    of = site(modelProvider="bedrock", model="us.anthropic.claude-opus-5-5")
    world.bedrock = available
    assert world.findings(of)["model"].status is Status.OK
    world.bedrock = {**available, "entitlementAvailability": "NOT_AVAILABLE"}
    found = world.findings(of)
    assert found["model"].status is Status.FAILED and "entitlement" in found["model"].message
    assert "secret model-key" not in found


@pytest.mark.parametrize(
    ("stored", "status"),
    [(None, Status.FAILED), ("ghp_abc", Status.FAILED), ('{"appId": 1, "privateKey": "-----BEGIN…"}', Status.OK)],
)
def test_a_github_app_is_stored_and_its_rights_are_not_checked(
    world: World, stored: str | None, status: Status
) -> None:
    if stored:
        client("ssm").put_parameter(Name=GITHUB_APP_SECRET, Value=stored, Type="SecureString")
    found = world.findings(site(gitAuth="github-app"))
    assert found["secret github-app"].status is status
    assert "secret git-token" not in found
    assert ("git token" in found) is (status is Status.OK)
    if status is Status.OK:
        assert found["git token"].status is Status.NOT_CHECKED


@pytest.mark.parametrize(
    ("names", "status", "says"),
    [
        ({}, Status.FAILED, "Create a CNAME"),
        ({("edit.amelia.acme.com", "CNAME"): ["elsewhere.example.net"]}, Status.FAILED, "elsewhere.example.net"),
        ({("edit.amelia.acme.com", "A"): ["192.0.2.1"]}, Status.NOT_CHECKED, "alias or proxy"),
        ({("*", "CNAME"): []}, Status.NOT_CHECKED, "no DNS server"),
    ],
)
def test_a_host_points_at_its_website(
    world: World, names: dict[tuple[str, str], list[str]], status: Status, says: str
) -> None:
    world.names = dict(names)
    finding = world.findings(site())["DNS"]
    assert finding.status is status
    assert says in str(finding)


def test_a_distribution_that_is_not_there_yet_is_not_checked(world: World) -> None:
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/abc"
    finding = world.findings(site(https=True, certificateArn=arn))["DNS"]
    assert finding.status is Status.NOT_CHECKED and "DistributionDomain" in finding.remedy


def test_a_zone_must_be_the_one_that_the_registrar_names(world: World) -> None:
    of = site(hostedZone="Z1")
    world.names = {("acme.com", "NS"): ["ns1.registrar.example"]}
    finding = world.findings(of)["DNS"]
    assert finding.status is Status.FAILED and "ns-1.awsdns.com, ns-2.awsdns.org" in finding.remedy
    world.names = {("acme.com", "NS"): ["ns-1.awsdns.com", "ns-2.awsdns.org"]}
    assert world.findings(of)["DNS"].status is Status.OK


def test_a_signing_key_is_looked_for_where_commits_are_signed(world: World) -> None:
    assert "secret signing-key" not in world.findings(site())
    signed = site(sign_commits=True)
    assert world.findings(signed)["secret signing-key"].status is Status.FAILED
    put_secret("signing-key", "ssh-ed25519 AAAA")
    assert "all lines" in str(world.findings(signed)["secret signing-key"])
    put_secret("signing-key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----")
    found = world.findings(signed)["secret signing-key"]
    assert found.status is Status.OK and "AAAA" not in str(found)


@pytest.mark.parametrize(("zone", "says"), [("Z2", "private"), ("Z3", "no zone Z3"), ("Z4", "other.example")])
def test_a_zone_that_is_not_the_public_one_of_the_host_fails(world: World, zone: str, says: str) -> None:
    finding = world.findings(site(hostedZone=zone))["DNS"]
    assert finding.status is Status.FAILED and says in finding.message
    assert "public zone acme.com" in finding.remedy
