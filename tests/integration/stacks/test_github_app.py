"""The GitHub App: one secret for all sites, read by the sites that use it."""

import json

from sitewright.contracts.names import GITHUB_APP_SECRET
from tests.support.stacks.synthesized_templates import PLATFORM, Template, actions, of_type, statements

APPED, OTHER = "Sitewright-Site-apped", "Sitewright-Site-amelia"


def readable(template: Template) -> list[str]:
    """The secrets that a site's workspace may read."""
    found = [s for s in statements(template, "TaskRole") if "secretsmanager:GetSecretValue" in actions(s)]
    return [json.dumps(statement["Resource"]) for statement in found]


def environment(template: Template) -> dict[str, str]:
    [task] = of_type(template, "AWS::ECS::TaskDefinition")
    return {entry["Name"]: entry["Value"] for entry in task["ContainerDefinitions"][0]["Environment"]}


def test_the_app_has_one_secret(templates: dict[str, Template]) -> None:
    secrets = [secret for template in templates.values() for secret in of_type(template, "AWS::SecretsManager::Secret")]
    assert [s["Name"] for s in of_type(templates[PLATFORM], "AWS::SecretsManager::Secret")] == [GITHUB_APP_SECRET]
    assert sum(secret["Name"] == GITHUB_APP_SECRET for secret in secrets) == 1


def test_only_sites_that_sign_in_with_the_app_may_read_it(templates: dict[str, Template]) -> None:
    assert sum(f"secret:{GITHUB_APP_SECRET}-??????" in resource for resource in readable(templates[APPED])) == 1
    for name, template in templates.items():
        if name.startswith("Sitewright-Site-") and name != APPED:
            assert GITHUB_APP_SECRET not in json.dumps(template), name


def test_a_site_with_the_app_has_no_token(templates: dict[str, Template]) -> None:
    names = [secret["Name"] for secret in of_type(templates[APPED], "AWS::SecretsManager::Secret")]
    assert names == ["sitewright/apped/model-key"]
    found = environment(templates[APPED])
    assert (found["SITEWRIGHT_GIT_AUTH"], found["SITEWRIGHT_GIT_SECRET"]) == ("github-app", GITHUB_APP_SECRET)
    assert environment(templates[OTHER])["SITEWRIGHT_GIT_AUTH"] == "token"


def test_the_app_ties_no_stack_to_the_platform(templates: dict[str, Template]) -> None:
    exports = json.dumps(templates[PLATFORM].get("Outputs", {}))
    assert "GitHubApp" in exports and '"Export"' not in json.dumps(templates[PLATFORM]["Outputs"]["GitHubAppSecret"])


def test_an_operators_own_secret_is_used_instead() -> None:
    # The context's check has its own test, in test_app.
    from aws_cdk import App, Stack

    from stacks.platform.github_app_secret import GitHubAppSecret

    own = "arn:aws:secretsmanager:us-west-2:123456789012:secret:shared/app-AbCdEf"
    stack = Stack(App(context={"githubAppSecret": own}), "Stack")
    secret = GitHubAppSecret(stack)
    assert secret.id == secret.resource(stack) == own
    assert not [child for child in stack.node.children if child.node.id == "GitHubApp"]
