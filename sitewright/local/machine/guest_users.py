"""Whether host processes can have two users, and a user of its own for each running task.

A workspace as host processes is one user, unless the stack runs as root: only root may start a program as another user.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil

from sitewright.local.machine.service_environment import tool_path
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

GUEST_UID = "SITEWRIGHT_GUEST_UID"
FIRST_UID = 200_000
"""Above the users and the system accounts of a machine."""

UIDS = 1_000_000_000
"""Uids are drawn from so many. Several stacks on one machine draw without knowing each other."""

_TRY_SECONDS = 30.0
_TRIED = "import claude_agent_sdk, sitewright, workspace"


def obstacle(home: Home) -> str | None:
    """Returns why workspaces on this machine have one user; None if they can have two. Takes half a second."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "only root can start a program as another user"
    for tool in ("setpriv", "prlimit"):
        if shutil.which(tool) is None:
            return f"{tool} (util-linux) is not installed"
    for path in (Path(sys.executable).resolve(), REPOSITORY_ROOT, home.root):
        if closed := next(_closed(path.parent if path == home.root else path), None):
            return f"another user cannot pass {closed}"
    return _tried()


def _closed(path: Path) -> Iterator[Path]:
    """The folders on the way to `path`, and itself, that other users cannot pass."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & 0o001:
            yield folder


def _tried() -> str | None:
    """Runs what a workspace runs as the guest: this Python with its packages, and node."""
    user = ["setpriv", f"--reuid={FIRST_UID}", f"--regid={FIRST_UID}", "--clear-groups", "--no-new-privs", "--"]
    env = {
        "PATH": os.pathsep.join([*tool_path(), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY_ROOT), str(REPOSITORY_ROOT / "container")]),
    }
    for argv in ([sys.executable, "-P", "-c", _TRIED], ["node", "--version"]):
        try:
            done = subprocess.run(
                [*user, *argv], env=env, cwd="/", capture_output=True, text=True, timeout=_TRY_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{argv[0]} cannot be run as another user ({error})"
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            return f"{argv[0]} cannot be run as another user ({said})"
    return None


def open_for_guests(home: Home) -> None:
    """Lets other users pass the stack's home to their own folder, and read nothing on the way."""
    for path in home.root.iterdir():
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o711 if path == home.tasks else 0o700)
    home.root.chmod(0o711)


def free_uid(taken: Collection[int]) -> int:
    """Returns a uid that no running task and no process of the machine has."""
    used = {*taken, *(uid for process in psutil.process_iter(["uids"]) for uid in process.info["uids"] or ())}
    while True:
        uid = FIRST_UID + 1 + secrets.randbelow(UIDS)
        if uid not in used:
            return uid


def uid_of(pid: int) -> int | None:
    """Returns the guest's uid of a running task's process; None without one."""
    try:
        text = psutil.Process(pid).environ().get(GUEST_UID, "")
    except psutil.Error:
        return None
    return int(text) if text.isdecimal() else None


def processes_of(uid: int) -> list[int]:
    """Returns the living processes of a guest."""
    return [
        process.pid
        for process in psutil.process_iter(["uids", "status"])
        if uid in (process.info["uids"] or ()) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
