"""The user of everything that nobody reviewed: the agent, npm, the site's build, git in the checkout.

The runner has the credentials, the guest has none. As another user it can neither read nor signal the runner, and the
kernel ends all of its processes at once: `kill(-1)` as the guest reaches exactly them (kill(2)). Where the runner may
not change users there is one user, and `separate` is False.
"""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workspace.errors import WorkspaceError
from workspace.guest import child_register
from workspace.guest.become_guest import BECOME_GUEST
from workspace.guest.becoming import Becoming
from workspace.guest.gate import Gate

PROCESSES = 2_000
"""RLIMIT_NPROC of the guest: processes and threads of its uid. A large build with workers takes some 300."""

FILE_BYTES = 2 * 2**30
"""RLIMIT_FSIZE of the guest. The largest file in practice is a pack of git."""

PATIENCE_SECONDS = 1.0
"""How long `end_all` waits for short commands of the runner's, such as a checkpoint's git, before it kills them too."""

END_SECONDS = 10.0

KILLER_SECONDS = 1.0
"""How long one `kill -1` may take. A process of the guest's may stop it (SIGSTOP), for it runs as the guest."""

REMOVE_SECONDS = 120.0
"""How long a removal may take. A tree of 500,000 files takes some seconds."""

_SETPCAP = 1 << 8


class GuestSurvives(WorkspaceError):
    """Processes of the guest could not be ended, so the runner must not use a credential."""

    def __init__(self, pids: Sequence[int]) -> None:
        super().__init__(f"{len(pids)} processes of the guest could not be ended, such as {sorted(pids)[:5]}")
        self.pids = tuple(pids)


@dataclass(frozen=True)
class Guest:
    """The guest of one workspace. Without a uid there is one user."""

    uid: int | None = None
    gid: int | None = None
    _gate: Gate = field(default_factory=Gate, repr=False, compare=False)
    _becoming: Becoming = field(default_factory=Becoming, repr=False, compare=False)
    _spared: frozenset[int] = field(default_factory=child_register.unregistered, repr=False, compare=False)

    @classmethod
    def of(cls, uid: int | None) -> "Guest":
        """Returns the guest with this uid and the gid of the same number; None: there is one user."""
        return cls(uid, uid)

    @property
    def separate(self) -> bool:
        """Whether the guest is another user than the runner."""
        return self.uid is not None

    @property
    def is_root(self) -> bool:
        """Whether the guest's programs run as root: the runner does, and there is one user."""
        return not self.separate and os.geteuid() == 0

    def command(self, argv: Sequence[str]) -> list[str]:
        """Returns the command line that runs `argv` as the guest: no capability, no way to more, and with limits."""
        if not self.separate:
            return list(argv)
        return [*_limits(), *self._as_guest(), *argv]

    def early_command(self, argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Returns command line and further environment of a program that becomes the guest itself (`become_guest`)."""
        if not self.separate:
            return list(argv), {}
        return [*_limits(), *_setpriv("+setuid", "+setgid"), *argv], {BECOME_GUEST: str(self.uid)}

    def end_all(self, log: Callable[..., None]) -> int:
        """Kills every process of the guest and returns their number. With one user: the orphans of ended children.

        A short command under way, such as a checkpoint's git, gets PATIENCE_SECONDS to end by itself.
        Raises GuestSurvives, TimeoutError.
        """
        with self.absent(log) as killed:
            return killed

    @contextlib.contextmanager
    def absent(self, log: Callable[..., None]) -> Iterator[int]:
        """Ends every process of the guest, and lets none start during the block. Yields the number of killed ones.

        For each use of a credential. Another thread's start of a guest's program waits for the end of the block. The
        block's own thread must start none. Raises GuestSurvives, TimeoutError.
        """
        with self._gate.closed(PATIENCE_SECONDS):
            killed = self._kill_all() if self.separate else child_register.kill_strays(self._spared)
            if killed:
                log("killed processes that a child left behind", level="warning", count=killed)
            yield killed

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """The block in which a program of the guest starts. It waits while the guest has to be absent.

        Raises TimeoutError.
        """
        with self._gate.open():
            yield

    at_work = starting
    """The block in which a short command runs: `end_all` waits a little for its end."""

    @contextlib.contextmanager
    def counting(self, pid: int) -> Iterator[None]:
        """The block in which a program of `early_command` has its request, and so becomes the guest.

        It begins when the guest need not be absent. From then on `absent` ends the program, whichever user it is yet.
        Raises TimeoutError, and OSError if the program is gone.
        """
        with self._gate.open():
            if self.separate:
                self._becoming.add(pid)
        try:
            yield
        finally:
            self._becoming.remove(pid)

    def owns(self, path: Path) -> None:
        """Gives a file or folder that the runner made to the guest. Follows no link. Raises OSError."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def folder(self, path: Path, *, anew: bool = False) -> Path:
        """Returns a folder of the guest's, and makes it if it is missing (`anew`: removes it first). Raises OSError.

        The parent folder must be the runner's own.
        """
        if anew:
            self.remove(path)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o755)
            self.owns(path)
        return path

    def remove(self, *paths: Path) -> None:
        """Removes files or trees of the guest's, whatever their modes, depths and names are. Raises OSError.

        `rm` runs as the guest: the owner may remove from a folder with the sticky bit. It may pass folders without
        any permission, and takes no limit of depth.
        """
        there = [str(path) for path in paths if os.path.lexists(path)]
        if not there:
            return
        argv = [_tool("rm"), "-rf", "--", *there]
        argv = self._as_guest("+dac_override") + argv if self.separate else argv
        returncode, said = _removed(argv)
        if returncode == -signal.SIGKILL and self.separate:
            # A process of the guest's has stopped or killed `rm`.
            self._kill_all()
            returncode, said = _removed(argv)
        if returncode:
            raise OSError(f"{', '.join(there)} could not be removed: {said.decode(errors='replace').strip()[-300:]}")

    def _as_guest(self, *capabilities: str) -> list[str]:
        return _setpriv(*capabilities, users=(f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"))

    def _kill_all(self) -> int:
        uid = self.uid or 0
        alive, becoming = child_register.processes_of(uid), self._becoming.kill()
        seen = alive | becoming
        deadline = time.monotonic() + END_SECONDS
        while alive or becoming:
            # A process with a pending SIGKILL cannot fork (copy_process in the kernel), so one round meets a fork bomb.
            _run_quietly([*self._as_guest(), _tool("sh"), "-c", "kill -9 -1"])
            alive, becoming = child_register.processes_of(uid), self._becoming.kill()
            for pid in alive:
                # With CAP_KILL, and nobody can stop the runner.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            seen |= alive | becoming
            if (alive or becoming) and time.monotonic() > deadline:
                raise GuestSurvives(tuple(alive | becoming))
            if alive or becoming:
                time.sleep(0.01)
        child_register.reap_orphans()
        return len(seen)


def without_capabilities(argv: Sequence[str]) -> list[str]:
    """Returns the command line of a child of the runner's own that needs no capability, such as git at the git host."""
    return [*_setpriv(), *argv] if _status("CapAmb") else list(argv)


def _run_quietly(argv: Sequence[str]) -> None:
    with child_register.start_lock:
        child = subprocess.Popen(
            argv, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        child_register.register(child.pid)
    try:
        child.wait(KILLER_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child_register.forget(child.pid)


def _removed(argv: Sequence[str]) -> tuple[int, bytes]:
    """Runs `rm`. Returns its exit code and its words."""
    with child_register.start_lock:
        rm = subprocess.Popen(argv, env={}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        child_register.register(rm.pid)
    try:
        _, said = rm.communicate(timeout=REMOVE_SECONDS)
    except subprocess.TimeoutExpired:
        rm.kill()
        _, said = rm.communicate()
    child_register.forget(rm.pid)
    return rm.returncode, said


def _setpriv(*capabilities: str, users: Sequence[str] = ()) -> list[str]:
    kept = ",".join(("-all", *capabilities))
    # Only with CAP_SETPCAP the bounding set can be cut. no_new_privs makes it meaningless anyway.
    bounds = [f"--bounding-set={kept}"] if _status("CapEff") & _SETPCAP else []
    return [_tool("setpriv"), *users, "--no-new-privs", f"--inh-caps={kept}", f"--ambient-caps={kept}", *bounds, "--"]


def _limits() -> list[str]:
    limits = (_limit("nproc", resource.RLIMIT_NPROC, PROCESSES), _limit("fsize", resource.RLIMIT_FSIZE, FILE_BYTES))
    return [_tool("prlimit"), *limits, "--core=0", "--"]


def _limit(name: str, kind: int, wanted: int) -> str:
    # Nobody but root may raise a hard limit.
    hard = resource.getrlimit(kind)[1]
    return f"--{name}={wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)}"


def _tool(name: str) -> str:
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise OSError(f"{name} is not installed. It comes with util-linux or coreutils.")
    return found


def _status(name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1], 16)
    return 0
