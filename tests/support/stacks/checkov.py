"""Runs checkov on synthesized templates. It has a Python environment of its own: it needs an older boto3 than the tests."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.stacks.synthesized_templates import Template

CONFIG = Path(__file__).parents[3] / "tools/checkov/config.yaml"
PROGRAM = Path(sys.executable).parents[1] / "checkov/bin/checkov"


def checkov_findings(templates: dict[str, Template], folder: Path) -> list[str]:
    """Returns the findings that neither the configuration nor a resource's metadata accepts, as `file resource: rule`."""
    assert PROGRAM.exists(), "checkov is not installed: run `make setup`"
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template))
    argv = [str(PROGRAM), "--config-file", str(CONFIG), "--directory", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["resource_count"] and not report["summary"]["parsing_errors"], done.stderr
    failed = report["results"]["failed_checks"]
    return sorted(
        f"{check['file_path']} {check['resource']}: {check['check_id']} {check['check_name']}" for check in failed
    )
