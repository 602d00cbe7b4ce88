"""The ports and domains that workspaces may reach."""

from typing import Any

import pytest

from sitewright.contracts.site_config import SiteConfigError, parse_sites
from stacks.platform.egress import Egress


def egress(allow_list: Any, **site: Any) -> Egress:
    entry = {"clientId": "amelia", "domain": "example.com", "repository": "https://github.com/a/b.git", **site}
    return Egress.of(parse_sites([entry]), "eu-west-1", allow_list)


def domains(allow_list: Any, **site: Any) -> set[str]:
    found = egress(allow_list, **site).domains
    assert found is not None
    return set(found)


def test_without_an_allow_list_every_name_resolves() -> None:
    assert egress(None) == egress(False) == Egress((443,), None)


def test_an_allow_list_has_what_a_workspace_needs() -> None:
    found = domains(True)
    assert {"github.com", "api.anthropic.com", "registry.npmjs.org", "edit.amelia.example.com"} <= found
    assert {"states.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"} <= found
    assert not {name for name in found if "us-west-2" in name or name in {"*", "*.amazonaws.com"}}
    assert "cloudfront.amazonaws.com" not in found and "api.github.com" not in found


def test_another_models_host_takes_the_place_of_anthropics() -> None:
    found = domains(True, modelBaseUrl="https://models.example.net/v1")
    assert "models.example.net" in found and "api.anthropic.com" not in found


@pytest.mark.parametrize(("more", "region"), [({}, "eu-west-1"), ({"modelRegion": "eu-north-1"}, "eu-north-1")])
def test_a_site_on_bedrock_reaches_its_regions_endpoint_instead(more: dict[str, str], region: str) -> None:
    found = domains(True, modelProvider="bedrock", model="eu.anthropic.claude-opus-5-5", **more)
    assert f"bedrock-runtime.{region}.amazonaws.com" in found and "api.anthropic.com" not in found


def test_further_domains_are_added() -> None:
    assert {"fonts.example.org", "*.example.net"} <= domains(["Fonts.example.org", "*.example.net."])


def test_a_site_with_https_invalidates_its_distribution() -> None:
    zone = {"id": "Z0123456789ABCDEFGHIJ", "name": "example.com"}
    assert "cloudfront.amazonaws.com" in domains(True, https=True, hostedZone=zone)


@pytest.mark.parametrize("wrong", ["all", 1, {"a": 1}, ["https://a.b"], ["*"], ["a"], ["a..b"], [1], ["ü.example"]])
def test_a_wrong_allow_list_is_named(wrong: Any) -> None:
    with pytest.raises(SiteConfigError, match="egressAllowList"):
        egress(wrong)


def test_a_port_in_a_url_is_opened_and_that_of_a_local_host_is_not() -> None:
    assert egress(None, repository="https://git.example.com:8443/a.git").ports == (443, 8443)
    assert egress(None, repository="http://127.0.0.1:3000/a.git").ports == (443,)
    assert "127.0.0.1" not in domains(True, repository="http://127.0.0.1:3000/a.git")
