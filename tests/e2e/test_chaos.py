"""A short chaos run with a fixed seed, on a stack of its own."""

import subprocess
import sys
from pathlib import Path

from tests.home import REPO


def test_nothing_is_lost_under_kills(tmp_path: Path) -> None:
    size = ["--seed", "3", "--commands", "10", "--sessions", "3", "--at-a-time", "3", "--seconds", "150"]
    size += ["--pause", "2", "6"]
    argv = [sys.executable, "-m", "tools.chaos", *size, "--home", str(tmp_path / "chaos")]

    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, timeout=290, check=False)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
