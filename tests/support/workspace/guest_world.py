"""A checkout whose guest is another user, a git host, and a shell of that user's: the attacker's."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from workspace.guest.guest_user import Guest
from workspace.repository.checkout import Checkout
from workspace.system.paths import Paths

from tests.support.workspace.git_host import GitHost, serve_git
from tests.support.workspace.runner_parts import make_checkout, make_remote


@dataclass(frozen=True)
class GuestWorld:
    """One workspace, cloned and on its branch."""

    root: Path
    host: GitHost
    guest: Guest
    checkout: Checkout

    @property
    def paths(self) -> Paths:
        return Paths(self.root / "ws")

    def attack(self, script: str) -> str:
        """Runs a script as the guest in the checkout and returns its output, whatever its exit code is."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.paths.home), "LOOT": str(self.loot)}
        env |= {f"GIT_{who}_{what}": "mallory@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        argv = self.guest.command(["sh", "-c", script])
        done = subprocess.run(
            argv, cwd=self.checkout.site, env=env, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout + done.stderr

    @property
    def loot(self) -> Path:
        """A folder in which the attacker's programs leave the id of the user that ran them."""
        return self.root / "loot"

    def write(self, name: str, text: str) -> None:
        """Writes a file of the guest's into the checkout."""
        self.attack(f"mkdir -p $(dirname {name}); printf %s '{text}' > {name}")

    def fresh(self) -> Checkout:
        """Returns the checkout of another workspace of the session."""
        return make_checkout(self.root / "other", self.host.url, guest=self.guest)


@contextmanager
def guest_world() -> Iterator[GuestWorld]:
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    # pytest's own folders are closed to other users.
    root = Path(tempfile.mkdtemp(prefix="sitewright-guest-"))
    root.chmod(0o755)
    guest = Guest.of(300_000 + os.getpid() % 100_000)
    try:
        make_remote(root / "host")
        (root / "loot").mkdir()
        (root / "loot").chmod(0o777)
        with serve_git(root / "host") as host:
            checkout = make_checkout(root / "ws", host.url, guest=guest)
            checkout.clone(timeout=30)
            checkout.start_branch()
            yield GuestWorld(root, host, guest, checkout)
    finally:
        guest.end_all(lambda *_, **__: None)
        shutil.rmtree(root, ignore_errors=True)
