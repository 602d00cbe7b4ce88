"""The templates of sites with https and with DNS records, synthesized without credentials or look-ups."""

import json
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.stacks.policies import Role
from tests.support.stacks.synthesized_templates import (
    CERTIFICATE,
    PLATFORM,
    ZONE,
    Template,
    actions,
    of_type,
    stable,
    statements,
)

STACKS = [
    ("Sitewright-Site-zoned", "us-west-2"),
    ("Sitewright-Certificate-zoned", "us-east-1"),
    ("Sitewright-Site-certified", "us-west-2"),
    ("Sitewright-Site-plain", "us-west-2"),
    ("Sitewright-Cdn-1", "us-west-2"),
]


@pytest.mark.parametrize(("name", "region"), STACKS)
def test_what_makes_the_site_reachable_is_as_it_was(
    templates: dict[str, Template], snapshot: SnapshotAssertion, name: str, region: str
) -> None:
    of_the_web = ("AWS::CloudFront", "AWS::S3", "AWS::Route53", "AWS::CertificateManager", "Custom::")
    template = stable(templates[name])
    found = {k: r for k, r in template["Resources"].items() if r["Type"].startswith(of_the_web)}
    assert {"Resources": found, "Outputs": template.get("Outputs")} == snapshot


def test_there_is_a_certificate_stack_only_where_one_is_made(templates: dict[str, Template]) -> None:
    certificates = {name for name in templates if "Certificate" in name}
    assert certificates == {"Sitewright-Certificate-zoned"}
    [certificate] = of_type(templates["Sitewright-Certificate-zoned"], "AWS::CertificateManager::Certificate")
    assert certificate["DomainName"] == "edit.zoned.webordinary.com"
    assert [v["HostedZoneId"] for v in certificate["DomainValidationOptions"]] == [ZONE["id"]]


@pytest.mark.parametrize("client", ["zoned", "certified"])
def test_only_this_distribution_reads_the_bucket(templates: dict[str, Template], client: str) -> None:
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


def test_a_bucket_of_another_name_serves_the_sites_host(templates: dict[str, Template]) -> None:
    template = templates["Sitewright-Site-renamed"]
    [bucket] = of_type(template, "AWS::S3::Bucket")
    assert bucket["BucketName"] == "sitewright-renamed"
    [distribution] = of_type(template, "AWS::CloudFront::Distribution")
    assert distribution["DistributionConfig"]["Aliases"] == ["edit.renamed.webordinary.com"]
    record_sync = Role(templates, PLATFORM, "RecordSync")
    for site in (found for name, found in templates.items() if "-Site-" in name):
        [bucket] = of_type(site, "AWS::S3::Bucket")
        assert record_sync.may("s3:ListBucket", f"arn:aws:s3:::{bucket['BucketName']}")
    assert not record_sync.may("s3:ListBucket", "arn:aws:s3:::anybody")


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


def test_distributions_share_what_cloudfront_counts_for_an_account(templates: dict[str, Template]) -> None:
    shared = {name for name in templates if "Cdn" in name}
    assert shared == {"Sitewright-Cdn-1"}
    counted = ("Function", "OriginAccessControl", "CachePolicy", "ResponseHeadersPolicy")
    for kind in counted:
        of_stacks = {name for name, template in templates.items() if of_type(template, f"AWS::CloudFront::{kind}")}
        assert of_stacks == shared, kind


def test_no_function_carries_the_certificate_to_the_site(templates: dict[str, Template]) -> None:
    [found] = of_type(templates["Sitewright-Site-zoned"], "AWS::CloudFront::Distribution")
    arn = found["DistributionConfig"]["ViewerCertificate"]["AcmCertificateArn"]["Fn::GetStackOutput"]
    certificates = templates["Sitewright-Certificate-zoned"]
    assert (arn["StackName"], arn["Region"]) == ("Sitewright-Certificate-zoned", "us-east-1")
    assert certificates["Outputs"][arn["OutputName"]]["Value"]["Ref"] in certificates["Resources"]
    assert [r["Type"] for r in certificates["Resources"].values()] == ["AWS::CertificateManager::Certificate"]


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
    return [statement for statement in statements(template) if action in actions(statement)]


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
        assert 'siteUrl\\":\\"http://edit.plain.webordinary.com\\"' in entry
        assert "distributionId" not in entry
        return
    [distribution] = [k for k, r in template["Resources"].items() if r["Type"] == "AWS::CloudFront::Distribution"]
    [statement] = _may(template, "cloudfront:CreateInvalidation")
    assert statement["Action"] == "cloudfront:CreateInvalidation"
    assert f':distribution/", {{"Ref": "{distribution}"}}]' in json.dumps(statement["Resource"])
    assert environment["SITEWRIGHT_DISTRIBUTION_ID"] == {"Ref": distribution}
    assert f'siteUrl\\":\\"https://edit.{client}.webordinary.com\\"' in entry
    assert f'\\"distributionId\\":\\"", {{"Ref": "{distribution}"}}' in entry
