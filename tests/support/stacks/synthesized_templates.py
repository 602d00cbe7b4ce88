"""What tests do with a template: bring it into a form that lasts, lint it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def stable(value: Any) -> Any:
    """The template without what depends on the code's content or the machine: asset hashes, paths."""
    if isinstance(value, dict):
        return {k: "ASSET" if k == "S3Key" else stable(v) for k, v in value.items() if k != "Metadata"}
    return [stable(v) for v in value] if isinstance(value, list) else value


def lint(template: dict[str, Any], folder: Path, region: str) -> str:
    """What cfn-lint has against the template; empty if nothing."""
    file = folder / "template.json"
    file.write_text(json.dumps(template))
    argv = [str(Path(sys.executable).parent / "cfn-lint"), "--non-zero-exit-code", "error", "-r", region, "--"]
    done = subprocess.run([*argv, str(file)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
