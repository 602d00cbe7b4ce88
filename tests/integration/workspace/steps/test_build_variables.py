"""A build with variables: who gets them, what shows their values, and what is said of one that is missing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws
from workspace.steps import agent_step, build_step
from workspace.system.child_environment import agent_environment

from sitewright.contracts.build_environment import BuildEnvironment
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import build_secret_parameter
from sitewright.contracts.steps import AgentResult
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.agent_world import world
from tests.support.workspace.fake_model import text
from tests.support.workspace.npm_lock import write_lock
from tests.support.workspace.npm_site import BUILD, SITE, package
from tests.support.workspace.runner_parts import put_secret

VALUE = 'pa ss"w/ö\nsecond-line-of-it'
VARIABLES = {"CMS_URL": "https://cms.example.com", "CMS_TOKEN": {"secret": "cms"}}
SHOWS = """
const t = process.env.CMS_TOKEN;
console.log(t); console.log(JSON.stringify({t})); console.log(encodeURIComponent(t));
console.log(Buffer.from(t).toString('base64'));
"""
FORMS = ("pa ss", "second-line-of-it", "pa%20ss", "cGEgc3Mid")


def site_with(folder: Path, files: dict[str, str], **settings: object) -> Site:
    """Returns a site whose command edited a page."""
    made = make_site(folder, SITE | files, **settings)
    command = made.ctx.command.model_copy(update={"agent": AgentResult(files_changed=["a.md"], files_changed_count=1)})
    return replace(made, ctx=replace(made.ctx, command=command))


def with_variables(folder: Path, files: dict[str, str]) -> Site:
    return site_with(folder, files, build_environment=BuildEnvironment.model_validate(VARIABLES))


def test_installation_and_build_have_the_variables_and_no_output_shows_a_secret(
    tmp_path: Path, small_npm: None
) -> None:
    prepared = json.loads(package())
    prepared["scripts"]["prepare"] = "printenv CMS_URL > installed.txt"
    files = {
        "build.js": BUILD + SHOWS + "fs.writeFileSync('dist/url', process.env.CMS_URL)",
        ".gitignore": "dist\ninstalled.txt",
    }
    with mock_aws():
        made = with_variables(tmp_path, files | {"package.json": json.dumps(prepared)})
        write_lock(made.folder)
        put_secret(made.clients, build_secret_parameter("amelia", "cms"), VALUE)
        hidden: list[str] = []
        result = build_step.run(replace(made.ctx, hide=hidden.append))
        assert result.error is None and made.read("url") == "https://cms.example.com"
        assert (made.folder / "installed.txt").read_text().strip() == "https://cms.example.com"
        lines = "\n".join(made.logs)
        for text in hidden:
            lines = lines.replace(text, "***")
        assert "***" in lines and not any(form in lines for form in FORMS)
        agents = agent_environment(made.ctx.paths, inherited=made.ctx.settings.inherited, model={})
        assert not {"CMS_URL", "CMS_TOKEN"} & set(agents)


def test_the_error_of_a_build_shows_no_secret(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        made = with_variables(tmp_path, {"build.js": f"{SHOWS} process.exit(1)"})
        put_secret(made.clients, build_secret_parameter("amelia", "cms"), VALUE)
        result = build_step.run(made.ctx)
        assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED and result.broken_by_edit
        assert "***" in result.error.message and not any(form in result.error.message for form in FORMS)


def test_a_secret_that_is_not_stored_is_named_with_its_command(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        result = build_step.run(with_variables(tmp_path, {}).ctx)
        assert result.error is not None and result.error.code is ErrorCode.BUILD_VARIABLE_MISSING
        assert "CMS_TOKEN" in result.error.message and not result.broken_by_edit
        assert "--name /sitewright/secrets/amelia/build/cms" in result.error.message


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"package.json": package('test -n "$CMS_TOKEN" && node build.js')}, "CMS_TOKEN"),
        ({"package.json": package(": ${CMS_KEY:?} && node build.js")}, "CMS_KEY"),
        (
            {
                "build.js": "console.error('EnvInvalidVariables: The following environment variables defined in `env.schema` "
                "are invalid:\\n\\n- CMS_URL is missing\\n'); process.exit(1)"
            },
            "CMS_URL",
        ),
    ],
)
def test_a_variable_without_a_value_is_named_and_not_given_to_the_agent(
    tmp_path: Path, small_npm: None, files: dict[str, str], names: str
) -> None:
    with mock_aws():
        made = site_with(tmp_path, files)
        write(made.folder, {"a.md": "edited"})
        result = build_step.run(made.ctx)
        assert result.error is not None and result.error.code is ErrorCode.BUILD_VARIABLE_MISSING, result.error
        assert f"variable {names}," in result.error.message and not result.broken_by_edit and result.committed
        given = made.ctx.settings.model_copy(
            update={"build_environment": BuildEnvironment.model_validate({names: "given"})}
        )
        again = build_step.run(replace(made.ctx, settings=given))
        assert again.error is None or again.error.code is ErrorCode.BUILD_FAILED


def test_the_agents_words_show_no_secret_of_the_build(tmp_path: Path) -> None:
    """A build may have left it in a file, and the agent repeats what it reads."""
    settings = {"build_environment": BuildEnvironment.model_validate({"CMS_TOKEN": {"secret": "cms"}})}
    with world(tmp_path, lambda *_: text("The token is the-token-of-the-cms."), **settings) as (w, _):
        keys = {"model-key": "sk-test-model-key", build_secret_parameter("amelia", "cms"): "the-token-of-the-cms"}
        w.ctx.aws.secret = keys.__getitem__  # type: ignore[method-assign]
        assert agent_step.run(w.ctx).summary == "The token is ***."
        assert "the-token-of-the-cms" not in "".join(w.logs)
