"""The start of the driver: what it imports before Claude Code can begin."""

import os
import subprocess
from pathlib import Path

from workspace.agent.driver_command import driver_program

from tests.support.workspace.runner_parts import make_settings


def test_the_driver_imports_none_of_the_sdks_packages_for_tools_of_its_own(tmp_path: Path) -> None:
    program = driver_program(make_settings(tmp_path, str(tmp_path)))
    env = {**os.environ, **program.env, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(
        program.argv, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "claude_agent_sdk" in imported
    assert not imported & {"mcp_types", "anyio.from_thread", "starlette", "jsonschema.validators"}
