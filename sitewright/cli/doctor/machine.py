"""Checks of this machine: the tools that deploying or the local stack needs, and whether the local stack is up."""

import platform
import shutil
import subprocess
from pathlib import Path

from sitewright.cli.doctor.findings import Finding, failed, ok, warning
from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home
from sitewright.local.stack.stack_file import load

DISK_BYTES = 5 * 10**9
"""A stack with one session of the demo site takes 1 GB, most of it packages of npm."""

_SETUP = "Run `make setup` in the repository, and activate its environment: source .venv/bin/activate"


def tools() -> list[Finding]:
    """Looks for the programs that every use needs."""
    found = [ok("tools", f"Python {platform.python_version()}.")]
    found.append(_program("git", "Install git."))
    found.append(_program("node", _SETUP))
    cdk = REPOSITORY_ROOT / "tools" / "cdk" / "node_modules" / ".bin" / "cdk"
    found.append(ok("tools", "the CDK command line.") if cdk.exists() else failed("tools", "no cdk.", _SETUP))
    return found


def _program(name: str, remedy: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return failed("tools", f"there is no {name} on PATH.", remedy)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return failed("tools", f"{path} cannot be run: {error}.", remedy)
    if done.returncode:
        return failed("tools", f"{path} --version exits with {done.returncode}.", remedy)
    version = done.stdout.strip().removeprefix("git version ").splitlines()
    return ok("tools", f"{name} {version[0] if version else ''}.")


def local_stack(home: Home) -> list[Finding]:
    """Tells whether the local stack runs, and whether its disk has room."""
    found = [_disk(home.root)]
    try:
        info = load(home, whole=True)
    except LocalError as error:
        return [*found, warning("local stack", error.message, error.remedy)]
    sites = ", ".join(site["client_id"] for site in info["sites"])
    return [*found, ok("local stack", f"is up, with {sites}.")]


def _disk(folder: Path) -> Finding:
    place = next(parent for parent in [folder, *folder.parents] if parent.exists())
    free = shutil.disk_usage(place).free
    if free < DISK_BYTES:
        return warning("disk", f"{free / 1e9:.1f} GB free at {place}.", "Make room; the local stack needs some 5 GB.")
    return ok("disk", f"{free / 1e9:.0f} GB free at {place}.")
