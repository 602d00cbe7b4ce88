"""The settings of a workspace: from a site's entry through the task definition into the container."""

import pytest
from pydantic import ValidationError

from sitewright.contracts.site_config import SiteConfig
from sitewright.contracts.workspace_settings import (
    MissingVariableError,
    ModelProvider,
    OperatorSettings,
    WorkspaceSettings,
)

RESOURCES = {
    "site_bucket": "edit.a.webordinary.com",
    "artifacts_bucket": "artifacts",
    "sessions_table": "sessions",
    "commands_table": "commands",
    "git_secret": "arn:git-token",
    "model_key_secret": "arn:model-key",
}
ENTRY = {"clientId": "a", "repository": "https://h/r.git", "maxTurns": 7, "maxBudgetUsd": 0.5, "idleSeconds": 0}


def environment(**more: object) -> dict[str, str]:
    return WorkspaceSettings.of(SiteConfig.parse({**ENTRY, **more}, 0), **RESOURCES).to_environment()


def test_every_setting_of_the_operator_reaches_the_container() -> None:
    more = {
        "model": "us.anthropic.claude-opus-5-5",
        "modelBaseUrl": "https://m.example.com",
        "modelProvider": "bedrock",
        "modelRegion": "eu-west-1",
        "directory": "apps/web",
        "output": "website",
        "buildEnvironment": {"API_URL": "https://cms.example.com/?a=1", "CMS_TOKEN": {"secret": "cms"}},
    }
    author = {"name": "Bakery bot", "email": "bot@bakery.example"}
    site = SiteConfig.parse({**ENTRY, **more, "gitAuth": "token", "commitAuthor": author}, 0)
    made = WorkspaceSettings.of(site, **RESOURCES, distribution_id="E1", signing_key_secret="/signing-key")
    read = WorkspaceSettings.from_environment(made.to_environment())
    assert read == made
    assert {name: getattr(read, name) for name in OperatorSettings.model_fields} == {
        name: getattr(site, name) for name in OperatorSettings.model_fields
    }
    assert set(made.to_environment()) == set(WorkspaceSettings.variables())


def test_a_variable_is_named_by_its_field_and_left_out_where_there_is_no_value() -> None:
    found = environment()
    assert (found["SITEWRIGHT_MAX_TURNS"], found["SITEWRIGHT_MAX_BUDGET_USD"]) == ("7", "0.5")
    assert found["SITEWRIGHT_IDLE_SECONDS"] == "0"
    assert not {"SITEWRIGHT_MODEL", "SITEWRIGHT_MODEL_BASE_URL", "SITEWRIGHT_DISTRIBUTION_ID"} & set(found)


def test_only_bedrock_needs_no_key() -> None:
    bedrock = {"model": "eu.anthropic.claude-opus-5-5", "modelProvider": "bedrock"}
    resources: dict[str, str | None] = {**RESOURCES, "model_key_secret": None}
    made = WorkspaceSettings.of(SiteConfig.parse({**ENTRY, **bedrock}, 0), **resources).to_environment()
    assert WorkspaceSettings.from_environment(made).model_provider is ModelProvider.BEDROCK
    with pytest.raises(MissingVariableError, match="SITEWRIGHT_MODEL_KEY_SECRET"):
        WorkspaceSettings.from_environment(made | {"SITEWRIGHT_MODEL_PROVIDER": "anthropic"})


@pytest.mark.parametrize("name", sorted(environment()))
def test_a_variable_that_the_stack_sets_has_no_default_in_the_container(name: str) -> None:
    for absent in ({}, {name: ""}):
        rest = {key: value for key, value in environment().items() if key != name}
        with pytest.raises(MissingVariableError, match=name):
            WorkspaceSettings.from_environment(rest | absent)


def test_a_wrong_value_names_its_variable() -> None:
    with pytest.raises(ValidationError) as refused:
        WorkspaceSettings.from_environment(environment() | {"SITEWRIGHT_MAX_TURNS": "many"})
    assert refused.value.errors()[0]["loc"] == ("SITEWRIGHT_MAX_TURNS",)
