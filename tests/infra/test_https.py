"""Sites over https and sites with DNS records: what is synthesized, without credentials and without a look-up."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from syrupy.assertion import SnapshotAssertion

from sitewright.contracts.site_config import SiteConfig, SiteConfigError, parse_sites
from stacks.constructs.distribution import INDEX_DOCUMENTS
from stacks.platform_stack import PlatformStack
from stacks.sites import add_site
from tests.support.stacks.synthesized_templates import lint, stable

Template = dict[str, Any]
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-1111-2222-3333-444455556666"
ZONE = {"id": "Z0123456789ABCDEFGHIJ", "name": "webordinary.com"}
BASE = {"repository": "https://github.com/example/site.git"}
SITES: list[dict[str, Any]] = [
    {"clientId": "zoned", **BASE, "https": True, "hostedZone": ZONE},
    {"clientId": "certified", **BASE, "https": True, "certificateArn": CERTIFICATE},
    {"clientId": "plain", **BASE, "hostedZone": ZONE["id"]},
]
STACKS = [
    ("Sitewright-Site-zoned", "us-west-2"),
    ("Sitewright-Certificate-zoned", "us-east-1"),
    ("Sitewright-Site-certified", "us-west-2"),
    ("Sitewright-Site-plain", "us-west-2"),
]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    app = cdk.App(outdir=str(tmp_path_factory.mktemp("cdk")), context={"workspaceImage": "example/workspace:1"})
    platform = PlatformStack(app, "Sitewright-Platform", env=cdk.Environment(region="us-west-2"))
    for site in parse_sites(SITES):
        add_site(app, platform, site, "us-west-2")
    return {stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in app.synth().stacks}


def of_type(template: Template, kind: str) -> list[dict[str, Any]]:
    return [r["Properties"] for r in template["Resources"].values() if r["Type"] == kind]


@pytest.mark.parametrize(("name", "region"), STACKS)
def test_what_makes_the_site_reachable_is_as_it_was(
    templates: dict[str, Template], snapshot: SnapshotAssertion, name: str, region: str
) -> None:
    of_the_web = ("AWS::CloudFront", "AWS::S3", "AWS::Route53", "AWS::CertificateManager", "Custom::")
    template = stable(templates[name])
    found = {k: r for k, r in template["Resources"].items() if r["Type"].startswith(of_the_web)}
    assert {"Resources": found, "Outputs": template.get("Outputs")} == snapshot


@pytest.mark.parametrize(("name", "region"), STACKS)
def test_cfn_lint_finds_no_error(templates: dict[str, Template], tmp_path: Path, name: str, region: str) -> None:
    assert lint(templates[name], tmp_path, region) == ""


def test_there_is_a_certificate_stack_only_where_one_is_made(templates: dict[str, Template]) -> None:
    assert set(templates) == {"Sitewright-Platform", *(name for name, _ in STACKS)}
    [certificate] = of_type(templates["Sitewright-Certificate-zoned"], "AWS::CertificateManager::Certificate")
    assert certificate["DomainName"] == "edit.zoned.webordinary.com"
    assert [v["HostedZoneId"] for v in certificate["DomainValidationOptions"]] == [ZONE["id"]]


@pytest.mark.parametrize("client", ["zoned", "certified"])
def test_nobody_but_this_distribution_reads_the_bucket(templates: dict[str, Template], client: str) -> None:
    template = templates[f"Sitewright-Site-{client}"]
    [bucket] = of_type(template, "AWS::S3::Bucket")
    assert bucket["BucketName"] == f"edit.{client}.webordinary.com"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert "WebsiteConfiguration" not in bucket
    [policy] = of_type(template, "AWS::S3::BucketPolicy")
    allowed = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    [distribution] = [k for k, r in template["Resources"].items() if r["Type"] == "AWS::CloudFront::Distribution"]
    assert [(s["Action"], s["Principal"]) for s in allowed] == [
        ("s3:GetObject", {"Service": "cloudfront.amazonaws.com"})
    ]
    assert f'"Ref": "{distribution}"' in json.dumps(allowed[0]["Condition"]["StringEquals"]["AWS:SourceArn"])


@pytest.mark.parametrize("client", ["zoned", "certified"])
def test_the_distribution(templates: dict[str, Template], client: str) -> None:
    [found] = of_type(templates[f"Sitewright-Site-{client}"], "AWS::CloudFront::Distribution")
    config = found["DistributionConfig"]
    assert config["Aliases"] == [f"edit.{client}.webordinary.com"]
    assert config["HttpVersion"] == "http2and3"
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    errors = {(e["ErrorCode"], e["ResponseCode"], e["ResponsePagePath"]) for e in config["CustomErrorResponses"]}
    assert errors == {(403, 404, "/404.html"), (404, 404, "/404.html")}
    behaviour = config["DefaultCacheBehavior"]
    assert behaviour["Compress"] is True
    assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
    [function] = behaviour["FunctionAssociations"]
    assert function["EventType"] == "viewer-request"
    [origin] = config["Origins"]
    assert origin["OriginAccessControlId"]
    assert "RegionalDomainName" in json.dumps(origin["DomainName"])


def test_the_operators_certificate_is_taken(templates: dict[str, Template]) -> None:
    template = templates["Sitewright-Site-certified"]
    [found] = of_type(template, "AWS::CloudFront::Distribution")
    assert found["DistributionConfig"]["ViewerCertificate"]["AcmCertificateArn"] == CERTIFICATE
    assert of_type(template, "AWS::Route53::RecordSet") == []
    assert "DistributionDomain" in template["Outputs"]


def test_the_records_of_each_kind_of_site(templates: dict[str, Template]) -> None:
    https = of_type(templates["Sitewright-Site-zoned"], "AWS::Route53::RecordSet")
    assert {(r["Name"], r["Type"]) for r in https} == {
        ("edit.zoned.webordinary.com.", "A"),
        ("edit.zoned.webordinary.com.", "AAAA"),
    }
    [plain] = of_type(templates["Sitewright-Site-plain"], "AWS::Route53::RecordSet")
    assert (plain["Name"], plain["Type"]) == ("edit.plain.webordinary.com.", "A")
    assert plain["AliasTarget"]["DNSName"] == "s3-website-us-west-2.amazonaws.com"
    assert {r["HostedZoneId"] for r in [*https, plain]} == {ZONE["id"]}


def _may(template: Template, action: str) -> list[dict[str, Any]]:
    statements = [s for p in of_type(template, "AWS::IAM::Policy") for s in p["PolicyDocument"]["Statement"]]
    return [s for s in statements if action in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])]


@pytest.mark.parametrize("client", ["zoned", "certified", "plain"])
def test_the_workspace_invalidates_its_own_distribution_and_no_other(
    templates: dict[str, Template], client: str
) -> None:
    template = templates[f"Sitewright-Site-{client}"]
    [task] = of_type(template, "AWS::ECS::TaskDefinition")
    environment = {e["Name"]: e["Value"] for e in task["ContainerDefinitions"][0]["Environment"]}
    entry = json.dumps(of_type(template, "AWS::SSM::Parameter")[-1]["Value"])
    if client == "plain":
        assert _may(template, "cloudfront:CreateInvalidation") == []
        assert "SITEWRIGHT_DISTRIBUTION_ID" not in environment
        assert environment["SITEWRIGHT_SITE_URL"] == "http://edit.plain.webordinary.com"
        assert "distributionId" not in entry
        return
    [distribution] = [k for k, r in template["Resources"].items() if r["Type"] == "AWS::CloudFront::Distribution"]
    [statement] = _may(template, "cloudfront:CreateInvalidation")
    assert statement["Action"] == "cloudfront:CreateInvalidation"
    assert f':distribution/", {{"Ref": "{distribution}"}}]' in json.dumps(statement["Resource"])
    assert environment["SITEWRIGHT_DISTRIBUTION_ID"] == {"Ref": distribution}
    assert environment["SITEWRIGHT_SITE_URL"] == f"https://edit.{client}.webordinary.com"
    assert f'\\"distributionId\\":\\"", {{"Ref": "{distribution}"}}' in entry


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"https": True}, ["https", "hostedZone", "certificateArn", "us-east-1"]),
        ({"certificateArn": CERTIFICATE}, ["certificateArn", "https"]),
        ({"https": True, "certificateArn": CERTIFICATE.replace("us-east-1", "us-west-2")}, ["us-west-2", "us-east-1"]),
        ({"https": True, "certificateArn": "abc"}, ["certificateArn", "ARN"]),
        ({"https": True, "hostedZone": "webordinary.com"}, ["hostedZone.id", "Z0"]),
        ({"hostedZone": {"name": "webordinary.com"}}, ["hostedZone.id", "missing"]),
        ({"hostedZone": {**ZONE, "name": "example.com"}}, ["edit.a.webordinary.com", "example.com"]),
        ({"hostedZone": {**ZONE, "name": "ordinary.com"}}, ["is not in the zone ordinary.com"]),
        ({"hostedZone": {**ZONE, "nmae": "x"}}, ["hostedZone.nmae", "did you mean 'name'?", "settings are id, name."]),
        ({"hostedZone": ["Z0123456789"]}, ["hostedZone"]),
    ],
)
def test_a_wrong_entry_is_one_line_that_names_the_remedy(entry: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_sites([{"clientId": "a", **BASE, **entry}])
    text = str(refused.value)
    assert "\n" not in text
    assert all(words in text for words in ["sites[0] (clientId 'a')", "cdk.json", *says]), text


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Z0123456789", "webordinary.com"),
        ("/hostedzone/Z0123456789", "webordinary.com"),
        ({"id": "Z0123456789", "name": "a.WebOrdinary.com."}, "a.webordinary.com"),
    ],
)
def test_a_zone_is_an_id_or_an_id_and_a_name(zone: Any, name: str) -> None:
    site = SiteConfig.parse({"clientId": "a", **BASE, "hostedZone": zone}, 0)
    assert site.hosted_zone is not None
    assert (site.hosted_zone.id, site.zone_name) == ("Z0123456789", name)


def test_the_url_follows_https_but_for_one_of_the_operators() -> None:
    site = {"clientId": "a", **BASE, "https": True, "certificateArn": CERTIFICATE}
    assert parse_sites([site])[0].url == "https://edit.a.webordinary.com"
    assert parse_sites([{**site, "siteUrl": "https://example.com"}])[0].url == "https://example.com"


_RUNNER = """
const vm = require('vm'), fs = require('fs');
const [source, event] = process.argv.slice(1);
const context = vm.createContext({event: JSON.parse(event)});
vm.runInContext(fs.readFileSync(source, 'utf8'), context);
console.log(JSON.stringify(vm.runInContext('handler(event)', context)));
"""


def at_the_edge(uri: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the CloudFront Function makes of a request."""
    node = shutil.which("node", path=str(Path(sys.executable).parent))
    assert node, "`make setup` installs node beside Python"
    event = {"version": "1.0", "request": {"method": "GET", "uri": uri, "querystring": query or {}, "headers": {}}}
    argv = [node, "-e", _RUNNER, str(INDEX_DOCUMENTS), json.dumps(event)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("/", "/index.html"),
        ("/hello/", "/hello/index.html"),
        ("/v1.2/", "/v1.2/index.html"),
        ("/_astro/a.B1_c2.css", "/_astro/a.B1_c2.css"),
        ("/song.mp3", "/song.mp3"),
        ("/a.7z", "/a.7z"),
        ("/page.html", "/page.html"),
        ("/.well-known/apple-app-site-association", "/.well-known/apple-app-site-association"),
    ],
)
def test_what_the_origin_is_asked_for(uri: str, key: str) -> None:
    answer = at_the_edge(uri, {"a": {"value": "1"}})
    assert answer["uri"] == key
    assert answer["querystring"] == {"a": {"value": "1"}}


@pytest.mark.parametrize(
    ("uri", "query", "location"),
    [
        ("/hello", None, "/hello/"),
        ("/v1.2", None, "/v1.2/"),
        ("/a%20b/%C3%BC", None, "/a%20b/%C3%BC/"),
        ("/x.well-known/y", None, "/x.well-known/y/"),
        ("/hello", {"a": {"value": "1%202"}, "flag": {"value": ""}}, "/hello/?a=1%202&flag"),
        ("/hello", {"a": {"value": "2", "multiValue": [{"value": "1"}, {"value": "2"}]}}, "/hello/?a=1&a=2"),
        # Not to another host.
        ("//evil.example/x", None, "/evil.example/x/"),
        ("/\\evil.example/x", None, "/evil.example/x/"),
    ],
)
def test_a_folder_without_a_slash_is_redirected(uri: str, query: dict[str, Any] | None, location: str) -> None:
    answer = at_the_edge(uri, query)
    assert answer["statusCode"] == 302
    assert answer["headers"]["location"]["value"] == location


def test_the_function_is_within_cloudfronts_limit() -> None:
    assert len(INDEX_DOCUMENTS.read_bytes()) <= 10 * 1024
