"""Where the tests' own local stack lives, and how to drive it."""

import os
import subprocess
import sys
from pathlib import Path

from sitewright.local.stack.stack_owner import OWNER_VARIABLE

REPO = Path(__file__).parent.parent
# Workers inherit the variable from the controlling process: one stack a test run, and runs side by side do not meet.
HOME = Path(os.environ.setdefault("SITEWRIGHT_TEST_HOME", str(REPO / ".local-test" / str(os.getpid()))))
# Every stack of the run ends with the controlling process, however that ends.
os.environ.setdefault(OWNER_VARIABLE, str(os.getpid()))


def environment(home: Path = HOME) -> dict[str, str]:
    """For a program that uses a stack of the tests."""
    # Long enough for the next test that continues the session, too short for workspaces to pile up: each burns 0.05 of a core.
    env = {"SITEWRIGHT_IDLE_SECONDS": "12", **os.environ, "SITEWRIGHT_HOME": str(home)}
    env.pop("ANTHROPIC_API_KEY", None)  # the tests are about the demo model, whatever the developer has set
    env.pop("ANTHROPIC_BASE_URL", None)
    return env


def sitewright(
    *args: str, home: Path = HOME, cwd: Path = REPO, check: bool = True, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Runs the command line against the tests' stack; `cwd` is the checkout whose code runs."""
    argv = [sys.executable, "-m", "sitewright.cli.main", *args]
    env = environment(home)
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(
            f"sitewright {' '.join(args)} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
    return done
