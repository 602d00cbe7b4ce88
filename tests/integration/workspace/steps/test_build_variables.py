"""A build with variables: who gets them, what shows their values, and what is said of one that is missing."""

import io
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from moto import mock_aws
from workspace.steps import agent_step, build_step
from workspace.system.child_environment import agent_environment
from workspace.system.children import ProcessChildren
from workspace.system.json_log import Log

from sitewright.contracts.build_environment import BuildEnvironment
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import build_secret_parameter
from sitewright.contracts.steps import AgentResult
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.agent_world import world
from tests.support.workspace.fake_model import text
from tests.support.workspace.npm_lock import write_lock
from tests.support.workspace.runner_parts import put_secret

VALUE = 'pa ss"w/ö\nsecond-line-of-it'
VARIABLES = {"CMS_URL": "https://cms.example.com", "CMS_TOKEN": {"secret": "cms"}}
SHOWS = 'echo "$CMS_TOKEN"; printf %s "$CMS_TOKEN" | base64 -w0; echo; cat forms.txt; echo'
PRINTED = f"{json.dumps({'t': VALUE})}\nhttps://example.com/?t={quote(VALUE, safe='')}"
"""What other programs make of it."""

FORMS = ("pa ss", "second-line-of-it", "pa%20ss", "cGEgc3Mid")


def site_with(folder: Path, build: str, **settings: object) -> Site:
    """Returns a site with a line of shell as its build, whose command edited a page."""
    package = {
        "name": "site",
        "version": "1.0.0",
        "scripts": {"build": build, "prepare": "printenv CMS_URL > made.txt; true"},
    }
    files = {"package.json": json.dumps(package), "forms.txt": PRINTED, ".gitignore": "dist\nmade.txt"}
    made = make_site(folder, files, **settings)
    command = made.ctx.command.model_copy(update={"agent": AgentResult(files_changed=["a.md"], files_changed_count=1)})
    return replace(made, ctx=replace(made.ctx, command=command))


def with_variables(folder: Path, build: str) -> Site:
    return site_with(folder, build, build_environment=BuildEnvironment.model_validate(VARIABLES))


def test_installation_and_build_have_the_variables_and_no_output_shows_a_secret(
    tmp_path: Path, small_npm: None
) -> None:
    with mock_aws():
        made = with_variables(tmp_path, f"mkdir dist && printenv CMS_URL > dist/index.html && {SHOWS}")
        write_lock(made.folder)
        put_secret(made.clients, build_secret_parameter("amelia", "cms"), VALUE)
        stream = io.StringIO()
        log = Log(stream)
        result = build_step.run(
            replace(
                made.ctx,
                log=log,
                hide=log.hide,
                children=ProcessChildren(made.stop, log, guest=made.ctx.settings.guest),
            )
        )
        assert result.error is None and made.read("index.html").strip() == "https://cms.example.com"
        assert (made.folder / "made.txt").read_text().strip() == "https://cms.example.com"
        lines = [json.loads(line).get("line", "") for line in stream.getvalue().splitlines()]
        assert '{"t": "***"}' in lines and "https://example.com/?t=***" in lines and lines.count("***") == 3
        assert not any(form in line for form in FORMS for line in lines)
        agents = agent_environment(made.ctx.paths, inherited=made.ctx.settings.inherited, model={})
        assert not {"CMS_URL", "CMS_TOKEN"} & set(agents)


def test_the_error_of_a_build_shows_no_secret(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        made = with_variables(tmp_path, f"{SHOWS}; exit 1")
        put_secret(made.clients, build_secret_parameter("amelia", "cms"), VALUE)
        result = build_step.run(made.ctx)
        assert result.error is not None and result.error.code is ErrorCode.BUILD_FAILED and result.broken_by_edit
        assert "***" in result.error.message and not any(form in result.error.message for form in FORMS)


def test_a_secret_that_is_not_stored_is_named_with_its_command(tmp_path: Path, small_npm: None) -> None:
    with mock_aws():
        result = build_step.run(with_variables(tmp_path, "true").ctx)
        assert result.error is not None and result.error.code is ErrorCode.BUILD_VARIABLE_MISSING
        assert "CMS_TOKEN" in result.error.message and not result.broken_by_edit
        assert "--name /sitewright/secrets/amelia/build/cms" in result.error.message


ASTRO = "EnvInvalidVariables: The following environment variables defined in `env.schema` are invalid:\n\n- CMS_URL is missing\n"


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ('test -n "$CMS_TOKEN" && mkdir dist', "CMS_TOKEN"),
        (": ${CMS_KEY:?} && mkdir dist", "CMS_KEY"),
        ('test -n "$CMS_URL" && mkdir dist || { cat astro.txt; exit 1; }', "CMS_URL"),
    ],
)
def test_a_variable_without_a_value_is_named_and_not_given_to_the_agent(
    tmp_path: Path, small_npm: None, build: str, name: str
) -> None:
    with mock_aws():
        made = site_with(tmp_path, build)
        write(made.folder, {"astro.txt": ASTRO})
        result = build_step.run(made.ctx)
        assert result.error is not None and result.error.code is ErrorCode.BUILD_VARIABLE_MISSING, result.error
        assert f"variable {name}," in result.error.message and not result.broken_by_edit and result.committed
        given = BuildEnvironment.model_validate({name: "given"})
        settings = made.ctx.settings.model_copy(update={"build_environment": given})
        again = build_step.run(replace(made.ctx, settings=settings))
        assert (
            again.error is not None
            and again.error.code is ErrorCode.BUILD_FAILED
            and "dist/ empty" in again.error.message
        )


def test_the_agents_words_show_no_secret_of_the_build(tmp_path: Path) -> None:
    """A build may have left it in a file, and the agent repeats what it reads."""
    settings = {"build_environment": BuildEnvironment.model_validate({"CMS_TOKEN": {"secret": "cms"}})}
    with world(tmp_path, lambda *_: text("The token is the-token-of-the-cms."), **settings) as (w, _):
        keys = {"model-key": "sk-test-model-key", build_secret_parameter("amelia", "cms"): "the-token-of-the-cms"}
        w.ctx.aws.secret = keys.__getitem__  # type: ignore[method-assign]
        assert agent_step.run(w.ctx).summary == "The token is ***."
        assert "the-token-of-the-cms" not in "".join(w.logs)
