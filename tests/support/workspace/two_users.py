"""A runner with a guest, as in the image: started by the image's entry point, as PID 1 of a process namespace of its own.

Needs root. The namespace keeps a `kill -9 -1` of the tests to their own processes.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[3]
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
SECRET = "task-token-that-nobody-else-may-have"

PRELUDE = """
import json, os, signal, subprocess, sys, threading, time
from pathlib import Path
from workspace.guest import child_register
from workspace.guest import guest_user as guests
from workspace.system import processes
from workspace.system.children import ProcessChildren
from workspace.guest.guest_user import Guest
from workspace.system.prestarted_process import PrestartedProcess, Program
from workspace.system.stop import Stop

processes.hide_from_peers()
root, logs, stop = Path(os.environ["ROOT"]), [], Stop()
guest = Guest.of(int(os.environ["GUEST"]))
site = guest.folder(root / "site")
private = root / "private"
private.mkdir(0o700, exist_ok=True)
(private / "key").write_text("private")
log = lambda message, **fields: logs.append([message, fields])
ladder = ((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2), (signal.SIGKILL, 2.0))
children = ProcessChildren(stop, log, ladder, guest=guest)
ENV = {"PATH": "/usr/bin:/bin", "HOME": str(site)}

def run(script, timeout=20.0, **options):
    return children.run(["sh", "-c", script], cwd=site, env=ENV, timeout=timeout, **options)

def alive():
    return sorted(child_register.processes_of(guest.uid))

def answer(**values):
    print("ANSWER " + json.dumps(values), flush=True)
"""


def why_not() -> str | None:
    """Returns why the tests with two users cannot run here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "two users need root"
    if not all(shutil.which(tool) for tool in ("setpriv", "prlimit", "unshare")):
        return "util-linux is not installed"
    tried = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, check=False)
    return "no process namespaces here" if tried.returncode else None


def python_closed() -> str | None:
    """Returns why a user without capabilities cannot run this Python."""
    user = ["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups"]
    bare = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]
    # A Python whose own folder is closed to the user may start with the system's library instead.
    code = "import sitewright, sys; print(sys.base_prefix)"
    done = subprocess.run(
        [*user, *bare, sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO, check=False
    )
    return None if done.stdout.strip() == sys.base_prefix else "another user cannot run this Python"


def entry_point() -> list[str]:
    """Returns the image's entry point."""
    text = (REPO / "container/Dockerfile").read_text().replace("\\\n", "")
    found = re.search(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    assert found, "the image has no entry point"
    argv: list[str] = json.loads(found[1])
    return argv


@dataclass(frozen=True)
class TwoUsers:
    """The root folder of one workspace, and the uid of its guest."""

    root: Path
    uid: int

    def runner(self, code: str, *, timeout: float = 60) -> dict[str, Any]:
        """Runs code as the runner, after PRELUDE. Returns the values given to its `answer`."""
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{REPO}:{REPO / 'container'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ROOT": str(self.root),
            "GUEST": str(self.uid),
            "SITEWRIGHT_TASK_TOKEN": SECRET,
        }
        argv = [*NAMESPACE, *entry_point(), sys.executable, "-c", PRELUDE + code]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=timeout, check=False, cwd="/")
        lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
        assert lines, f"the runner ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        values: dict[str, Any] = json.loads(lines[-1].removeprefix("ANSWER "))
        return values


@contextmanager
def two_users() -> Iterator[TwoUsers]:
    # Not below pytest's folder, which no other user can pass.
    folder = Path(tempfile.mkdtemp(prefix="sitewright-two-users-"))
    try:
        folder.chmod(0o755)
        os.chown(folder, 1001, 1001)
        yield TwoUsers(folder, 300_000_000 + random.randrange(100_000_000))
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=False)
