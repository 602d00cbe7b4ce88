"""An entry of `sites`: its settings, and the error line of a wrong entry."""

from typing import Any

import pytest

from sitewright.contracts.names import branch_name, rescue_branch
from sitewright.contracts.site_config import SiteConfig, SiteConfigError, parse_sites

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-1111-2222-3333-444455556666"
ZONE = {"id": "Z0123456789ABCDEFGHIJ", "name": "webordinary.com"}
BASE = {"repository": "https://github.com/example/site.git"}
A = {"clientId": "a", **BASE}
B = {**A, "https": True, "certificateArn": CERTIFICATE, "bucketName": "sitewright-x"}


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        (None, ["sites:", "list"]),
        ([], ["sites:", "list"]),
        ({"clientId": "a"}, ["sites:", "list"]),
        ([3], ["sites[0]:", "object"]),
        ([{**A, "clientId": "A B"}], ["sites[0]", "clientId"]),
        ([{"clientId": "a"}], ["sites[0]", "'a'", "repository: is missing"]),
        ([{"clientId": "a", "repository": "git@h:r.git"}], ["repository"]),
        ([{"clientId": "a", "repository": "https://u:p@h/r.git"}], ["credentials"]),
        ([A, A], ["sites[1]", "clientId 'a'", "sites[0]"]),
        (
            [{**B, "clientId": "b"}, {**B, "clientId": "c"}],
            ["sites[1]", "'c'", "bucketName 'sitewright-x'", "sites[0]"],
        ),
        ([{**A, "modle": "x"}], ["sites[0]", "'a'", "modle", "did you mean 'model'"]),
        ([{**A, "cpu": 300}], ["sites[0]", "'a'", "cpu", "256, 512"]),
        ([{**A, "cpu": 512, "memoryMib": 8192}], ["sites[0]", "'a'", "memoryMib"]),
        ([{**A, "https": True}], ["hostedZone", "certificateArn"]),
    ],
)
def test_the_line_names_the_entry_and_the_remedy(sites: Any, says: list[str]) -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_sites(sites)
    text = str(refused.value)
    assert "\n" not in text
    assert all(words in text for words in [*says, "cdk.json"]), text


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
        ({"branchPrefix": "main"}, ["branchPrefix", "pattern"]),
        ({"branchPrefix": "a..b/"}, ["branchPrefix", "'..'"]),
        ({"branchPrefix": "a.lock/"}, ["branchPrefix", ".lock"]),
        ({"branchPrefix": "a/.b/"}, ["branchPrefix", "begin"]),
        ({"branchPrefix": "a//"}, ["branchPrefix", "empty part"]),
        ({"gitAuth": "app"}, ["gitAuth", "'token' or 'github-app'"]),
        ({"gitAuth": "github-app", "repository": "https://h/group/sub/site.git"}, ["gitAuth", "HOST/OWNER/NAME"]),
        ({"commitAuthor": {"name": "Sam"}}, ["commitAuthor.email", "missing"]),
        ({"commitAuthor": {"name": "Sam", "mail": "a@b.example"}}, ["commitAuthor.email"]),
        ({"commitAuthor": {"name": "S", "email": "a@b.c", "x": "y"}}, ["commitAuthor.x", "settings are name, email."]),
        ({"commitAuthor": "Sam"}, ["commitAuthor"]),
        ({"bucketName": "sitewright-x"}, ["bucketName", "https"]),
        ({**B, "bucketName": "bakery"}, ["bucketName", "begin with edit. or sitewright-"]),
        ({**B, "bucketName": "sitewright-X"}, ["'sitewright-X' is no S3 bucket name"]),
        ({**B, "bucketName": "sitewright-x\n"}, ["is no S3 bucket name"]),
        ({**B, "bucketName": "sitewright-x--x-s3"}, ["'sitewright-x--x-s3' is no S3 bucket name"]),
        ({"domain": "example..com"}, ["'edit.a.example..com' is no S3 bucket name"]),
        ({"domain": "-example.com"}, ["'edit.a.-example.com' is no S3 bucket name"]),
        ({**B, "domain": "exa mple.com"}, ["'edit.a.exa mple.com' is no host name", "domain"]),
        ({**B, "domain": "Example.com"}, ["is no host name", "lower case"]),
        (
            {"https": True, "hostedZone": "Z1", "domain": f"{'d' * 60}.com", "bucketName": "sitewright-x"},
            ["more than 64 characters", "certificateArn"],
        ),
    ],
)
def test_a_wrong_entry_is_one_line_that_names_the_remedy(entry: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_sites([{**A, **entry}])
    text = str(refused.value)
    assert "\n" not in text
    assert all(words in text for words in ["sites[0] (clientId 'a')", "cdk.json", *says]), text


def test_defaults_hold_where_an_entry_has_no_setting_of_its_own() -> None:
    author = {"name": "Bakery bot", "email": "bot@bakery.example"}
    a, b = parse_sites([A, {**A, "clientId": "b", "maxTurns": 7}], {"commitAuthor": author, "maxTurns": 9})
    assert (a.max_turns, b.max_turns) == (9, 7)
    assert str(a.commit_author) == str(b.commit_author) == "Bakery bot <bot@bakery.example>"


@pytest.mark.parametrize("defaults", [[], "x", {"clientId": "a"}])
def test_wrong_defaults_are_one_line(defaults: Any) -> None:
    with pytest.raises(SiteConfigError, match=r"^siteDefaults: .*cdk\.json\.$"):
        parse_sites([A], defaults)


def test_a_credential_is_not_repeated() -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_sites([{"clientId": "a", "repository": "https://u:hunter2@h/r.git"}])
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("cpu", "memory", "valid"),
    [
        (256, 512, True),
        (256, 4096, False),
        (4096, 30720, True),
        (8192, 20480, True),
        (8192, 17408, False),
        (16384, 122880, True),
    ],
)
def test_only_fargates_sizes_are_accepted(cpu: int, memory: int, valid: bool) -> None:
    entry = {"clientId": "a", "repository": "https://h/r", "cpu": cpu, "memoryMib": memory}
    if valid:
        assert parse_sites([entry])[0].memory_mib == memory
    else:
        with pytest.raises(SiteConfigError):
            parse_sites([entry])


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Z0123456789", "webordinary.com"),
        ("/hostedzone/Z0123456789", "webordinary.com"),
        ({"id": "Z0123456789", "name": "a.WebOrdinary.com."}, "a.webordinary.com"),
    ],
)
def test_a_zone_is_an_id_or_an_id_and_a_name(zone: Any, name: str) -> None:
    site = SiteConfig.parse({**A, "hostedZone": zone}, 0)
    assert site.hosted_zone is not None
    assert (site.hosted_zone.id, site.zone_name) == ("Z0123456789", name)


def test_the_url_follows_https_but_for_one_of_the_operators() -> None:
    site = {**A, "https": True, "certificateArn": CERTIFICATE}
    assert parse_sites([site])[0].url == "https://edit.a.webordinary.com"
    assert parse_sites([{**site, "siteUrl": "https://example.com"}])[0].url == "https://example.com"


def test_the_bucket_is_named_like_the_host_but_for_one_of_the_operators() -> None:
    [named, unnamed] = parse_sites([B, {**A, "clientId": "b"}])
    assert (named.bucket, named.host) == ("sitewright-x", "edit.a.webordinary.com")
    assert unnamed.bucket == unnamed.host == "edit.b.webordinary.com"


@pytest.mark.parametrize("prefix", ["thread-", "feature/", "agents/site_a/chat-", "a-"])
def test_a_prefix_begins_the_names_of_branches(prefix: str) -> None:
    site = SiteConfig.parse({**A, "branchPrefix": prefix}, 0)
    assert branch_name("t1", site.branch_prefix) == f"{prefix}t1"


def test_a_rescue_branch_keeps_to_the_rules_for_names() -> None:
    assert (rescue_branch("c:1"), rescue_branch("c:1", "feature/")) == ("rescue/c-1", "feature/rescue-c-1")
    assert SiteConfig.parse(A, 0).branch_prefix == "thread-"
