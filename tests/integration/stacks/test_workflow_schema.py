"""Validates the state machine's definition by the schema of the Amazon States Language, with a Node program."""

import json
import subprocess
import sys
from pathlib import Path

from stacks.site.workflow import definition
from tests.support.stacks.workflow_parts import PARTS

REPO = Path(__file__).parents[3]


def test_the_state_machine_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(definition(PARTS)))
    node = Path(sys.executable).parent / "node"
    validator = REPO / "tools/cdk/node_modules/asl-validator/dist/bin/asl-validator.js"
    done = subprocess.run(
        [str(node), str(validator), "--json-path", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
