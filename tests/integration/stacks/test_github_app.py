"""The GitHub App: one secret for all sites, read by the sites that use it."""

import json

from sitewright.contracts.names import GITHUB_APP_SECRET
from tests.support.stacks.synthesized_templates import Template, actions, of_type, statements

APPED, OTHER = "Sitewright-Site-apped", "Sitewright-Site-amelia"


def readable(template: Template) -> list[str]:
    """The secrets that a site's workspace may read."""
    found = [s for s in statements(template, "TaskRole") if "ssm:GetParameter" in actions(s)]
    return [json.dumps(statement["Resource"]) for statement in found]


def environment(template: Template) -> dict[str, str]:
    [task] = of_type(template, "AWS::ECS::TaskDefinition")
    return {entry["Name"]: entry["Value"] for entry in task["ContainerDefinitions"][0]["Environment"]}


def test_only_sites_that_sign_in_with_the_app_may_read_it(templates: dict[str, Template]) -> None:
    assert sum(f"parameter{GITHUB_APP_SECRET}" in resource for resource in readable(templates[APPED])) == 1
    for name, template in templates.items():
        if name.startswith("Sitewright-Site-") and name != APPED:
            assert GITHUB_APP_SECRET not in json.dumps(template), name


def test_a_site_with_the_app_has_no_token(templates: dict[str, Template]) -> None:
    [resources] = readable(templates[APPED])
    assert "model-key" in resources and "git-token" not in resources
    found = environment(templates[APPED])
    assert (found["SITEWRIGHT_GIT_AUTH"], found["SITEWRIGHT_GIT_SECRET"]) == ("github-app", GITHUB_APP_SECRET)
    assert environment(templates[OTHER])["SITEWRIGHT_GIT_AUTH"] == "token"


def test_only_sites_that_sign_may_read_their_signing_key(templates: dict[str, Template]) -> None:
    [resources], [others] = readable(templates[APPED]), readable(templates[OTHER])
    assert "secrets/apped/signing-key" in resources and "signing-key" not in others
    assert environment(templates[APPED])["SITEWRIGHT_SIGNING_KEY_SECRET"] == "/sitewright/secrets/apped/signing-key"
    assert "SITEWRIGHT_SIGNING_KEY_SECRET" not in environment(templates[OTHER])


def test_no_stack_has_a_secret(templates: dict[str, Template]) -> None:
    assert not [name for name, template in templates.items() if of_type(template, "AWS::SecretsManager::Secret")]
