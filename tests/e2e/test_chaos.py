"""A short chaos run with a fixed seed, on a stack of its own. Its sites build without Astro; `make chaos` has Astro's."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.home import REPO
from tools.small_site import small_repository


@pytest.mark.timeout(620)  # minutes where the machine is busy
def test_nothing_is_lost_under_kills(tmp_path: Path) -> None:
    size = ["--seed", "3", "--commands", "10", "--sessions", "3", "--at-a-time", "3", "--seconds", "150"]
    size += ["--pause", "2", "6", "--site-repo", str(small_repository(tmp_path / "small site"))]
    argv = [sys.executable, "-m", "tools.chaos", *size, "--home", str(tmp_path / "chaos")]

    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
