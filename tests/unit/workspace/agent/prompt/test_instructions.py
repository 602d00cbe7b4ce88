"""What the agent is told of its site."""

from pathlib import Path

from workspace.agent.prompt.instructions import CHANGED_SINCE, ROLE, instructions

from sitewright.contracts.build_environment import BuildEnvironment
from tests.support.workspace.runner_parts import make_settings


def test_the_agent_hears_of_the_sites_folder_and_the_names_of_variables(tmp_path: Path) -> None:
    plain = make_settings(tmp_path, "https://h/r.git")
    assert instructions(plain) == ROLE and instructions(plain, changed_since=True) == f"{ROLE}\n\n{CHANGED_SINCE}"
    variables = BuildEnvironment.model_validate({"API_URL": "https://the-value", "CMS_TOKEN": {"secret": "the-name"}})
    told = instructions(plain.model_copy(update={"directory": "apps/web", "build_environment": variables}))
    assert (
        "folder apps/web" in told
        and "API_URL, CMS_TOKEN" in told
        and "the-value" not in told
        and "the-name" not in told
    )
