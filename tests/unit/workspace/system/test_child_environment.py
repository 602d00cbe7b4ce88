"""The allow-lists: a secret of the runner is in no child's environment."""

import io
import json
from pathlib import Path

import pytest
from workspace.system.child_environment import agent_environment, build_environment, git_environment, inherited
from workspace.system.json_log import Log
from workspace.system.paths import Paths
from workspace.system.settings import Settings, SettingsError

from sitewright.contracts.commit_author import CommitAuthor
from sitewright.contracts.steps import StepEnv
from sitewright.contracts.workspace_settings import WorkspaceSettings
from tests.support.workspace.runner_parts import make_settings

RUNNER = {
    "PATH": "/usr/bin",
    "AWS_ACCESS_KEY_ID": "AKIASECRET",
    "AWS_SECRET_ACCESS_KEY": "SECRET-aws",
    "AWS_SESSION_TOKEN": "SECRET-session",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/SECRET",
    "AWS_ENDPOINT_URL": "http://SECRET",
    "ECS_CONTAINER_METADATA_URI_V4": "http://SECRET",
    "GITHUB_TOKEN": "SECRET-git",
    "GIT_ASKPASS": "/SECRET",
    "ANTHROPIC_API_KEY": "SECRET-model",
    "NPM_TOKEN": "SECRET-npm",
    "HOME": "/root/SECRET",
    **{name: f"SECRET-{name}" for name in (*StepEnv, *WorkspaceSettings.variables())},
}


def test_no_child_gets_a_secret(tmp_path: Path) -> None:
    kept, paths = inherited(RUNNER), Paths(tmp_path)
    agent = agent_environment(paths, inherited=kept, model={"ANTHROPIC_API_KEY": "token-given"})
    build = build_environment(paths, inherited=kept)
    own = git_environment(ceiling=tmp_path, inherited=kept)
    for env in (agent, build, own):
        assert not [name for name, value in env.items() if "SECRET" in value]
    assert agent["ANTHROPIC_API_KEY"] == "token-given"
    assert "ANTHROPIC_API_KEY" not in build and "ANTHROPIC_API_KEY" not in own
    assert agent["HOME"] == build["HOME"] == str(tmp_path / "home")
    assert own["HOME"] != agent["HOME"]
    assert agent["TMPDIR"] == build["TMPDIR"] == str(tmp_path / "tmp") and "TMPDIR" not in own
    for env in (agent, build, own):
        assert env["GIT_CEILING_DIRECTORIES"] == str(tmp_path), "git takes the folder around for its repository"
    assert build["NODE_ENV"] == "production" and "NODE_ENV" not in agent


def test_commits_have_the_given_author_and_committer(tmp_path: Path) -> None:
    kept, paths, author = inherited(RUNNER), Paths(tmp_path), CommitAuthor(name="Sam", email="sam@bakery.example")
    for env in (
        agent_environment(paths, inherited=kept, model={}, author=author),
        build_environment(paths, inherited=kept, author=author),
        git_environment(ceiling=tmp_path, inherited=kept, author=author),
    ):
        assert (env["GIT_AUTHOR_NAME"], env["GIT_AUTHOR_EMAIL"]) == ("Sam", "sam@bakery.example")
        assert (env["GIT_COMMITTER_NAME"], env["GIT_COMMITTER_EMAIL"]) == ("Sam", "sam@bakery.example")


def test_settings_are_complete_or_name_the_variable() -> None:
    env = dict.fromkeys(WorkspaceSettings.variables(), "x") | {
        "SITEWRIGHT_MAX_TURNS": "7", "SITEWRIGHT_MAX_BUDGET_USD": "1.5", "SITEWRIGHT_AGENT_TIMEOUT_SECONDS": "60",
        "SITEWRIGHT_BUILD_TIMEOUT_SECONDS": "60", "SITEWRIGHT_PUSH_TIMEOUT_SECONDS": "60", "SITEWRIGHT_MODEL": "",
        "SITEWRIGHT_IDLE_SECONDS": "300", "SITEWRIGHT_GIT_AUTH": "token", "SITEWRIGHT_COMMIT_AUTHOR": "Sam <sam@b.example>",
        "SITEWRIGHT_MODEL_PROVIDER": "anthropic", "SITEWRIGHT_SESSIONS": "shared", "SITEWRIGHT_BUILD_ENVIRONMENT": "",
        "SITEWRIGHT_BRANCH_PREFIX": "thread-",
        "SITEWRIGHT_ROOT": "/somewhere",
    }  # fmt: skip
    settings = Settings.from_env(env)
    assert (settings.max_turns, settings.max_budget_usd, settings.model) == (7, 1.5, None)
    assert settings.paths.site == Path("/somewhere/site")
    del env["SITEWRIGHT_REPOSITORY"]
    with pytest.raises(SettingsError, match="SITEWRIGHT_REPOSITORY"):
        Settings.from_env(env)


def test_settings_do_not_print_what_children_inherit(tmp_path: Path) -> None:
    assert "inherited" not in repr(make_settings(tmp_path, "https://example.com/a.git"))


def test_log_is_one_json_line_without_secrets() -> None:
    stream = io.StringIO()
    log = Log(stream, sessionId="s1")
    log.hide("ghp_secret-value")
    log(
        "line\nbreak",
        level="warning",
        text="token ghp_secret-value!",
        nested={"a": ["ghp_secret-value"]},
        half="\ud83d",
    )
    log("long", text="x" * 100_000)
    first, second = stream.getvalue().splitlines()
    event = json.loads(first)
    assert event["message"] == "line\nbreak" and event["sessionId"] == "s1" and event["level"] == "warning"
    assert event["text"] == "token ***!" and event["nested"] == {"a": ["***"]}
    assert len(second) < 10_000
