"""git over the network. Only this module has the token.

The agent can write to the checkout's .git/config. One line there (`url.….insteadOf`, `http.proxy`, `remote.origin.url`)
would send the token elsewhere. So network commands run in the runner's own git directory, which only shares the
checkout's object store.
"""

import contextlib
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from workspace.errors import GitError
from workspace.system.child_environment import git_config
from workspace.system.processes import Completed, run_bounded

_HELPER = Path(__file__).with_name("credential_helper.py")


@dataclass
class Remote:
    """Clones, fetches and pushes one repository.

    Runs one network command at a time, so a workspace's pushes never race.
    """

    url: str
    token: Callable[[], str] = field(repr=False)
    site: Path
    git_dir: Path
    """The runner's own git directory, created at its first use."""
    env: Mapping[str, str] = field(repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def clone(self, *, timeout: float, poll: Callable[[], None] | None = None) -> None:
        """Clones without a checkout into `site`, which must not exist. Raises GitError, TimeoutError."""
        self.site.parent.mkdir(parents=True, exist_ok=True)
        # The agent has not touched a fresh clone's configuration yet.
        argv = ["clone", "--quiet", "--no-checkout", "--template=", self.url, str(self.site)]
        self._network(argv, self.env, self.site.parent, timeout, poll)

    def push(self, commit: str, branch: str, *, timeout: float, poll: Callable[[], None] | None = None) -> None:
        """Pushes a commit as a branch, fast-forward only. Raises GitError (its stderr includes stdout), TimeoutError."""
        argv = ["push", "--porcelain", self.url, f"{commit}:refs/heads/{branch}"]
        self._network(argv, self._shared_env(), self.git_dir, timeout, poll)

    def fetch(self, branch: str, have: str, *, timeout: float, poll: Callable[[], None] | None = None) -> str | None:
        """Fetches a branch's objects into the checkout. Returns its commit; None if the remote has no such branch.

        `have` is a local commit, so that git sends only missing objects. Raises GitError, TimeoutError.
        """
        env = self._shared_env()
        run_bounded(["git", "update-ref", "refs/tips/head", have], cwd=self.git_dir, env=env, timeout=10)
        into = f"+refs/heads/{branch}:refs/remote/branch"
        try:
            self._network(["fetch", "--quiet", "--no-tags", self.url, into], env, self.git_dir, timeout, poll)
        except GitError as error:
            if "couldn't find remote ref" in error.stderr:
                return None
            raise
        found = run_bounded(["git", "rev-parse", "refs/remote/branch"], cwd=self.git_dir, env=env, timeout=10)
        return found.stdout.decode().strip()

    def _shared_env(self) -> dict[str, str]:
        if not (self.git_dir / "HEAD").exists():
            self.git_dir.mkdir(parents=True, exist_ok=True)
            argv = ["git", "init", "--quiet", "--bare", "--template=", str(self.git_dir)]
            _must("init", run_bounded(argv, cwd=self.git_dir, env=self.env, timeout=10))
        return dict(self.env) | {
            "GIT_DIR": str(self.git_dir),
            "GIT_OBJECT_DIRECTORY": str(self.site / ".git" / "objects"),
        }

    def _network(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        timeout: float,
        poll: Callable[[], None] | None,
    ) -> None:
        token = self.token()
        with self._lock, _token_socket(token) as fd:
            done = run_bounded(
                ["git", *argv],
                cwd=cwd,
                env=dict(env) | _with_helper(env, self.url, fd),
                timeout=timeout,
                pass_fds=(fd,),
                poll=poll,
            )
        output = (done.stdout.decode("utf-8", "replace") + done.stderr).replace(token, "***")
        _must(argv[0], Completed(done.returncode, b"", output))


def _must(command: str, done: Completed) -> None:
    if done.returncode != 0:
        raise GitError(command, done.returncode, done.stderr)


@contextlib.contextmanager
def _token_socket(token: str) -> Iterator[int]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(token.encode())
        ours.shutdown(socket.SHUT_WR)
        yield theirs.fileno()


def _with_helper(env: Mapping[str, str], url: str, fd: int) -> dict[str, str]:
    # The helper is limited to the repository's own origin, so that a redirect to another host gets no token. The
    # empty value comes first and clears the helpers of any other configuration.
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    command = [sys.executable, "-IS", str(_HELPER), str(fd), parts.scheme, host]
    count = int(env.get("GIT_CONFIG_COUNT", "0"))
    values = {env[f"GIT_CONFIG_KEY_{i}"]: env[f"GIT_CONFIG_VALUE_{i}"] for i in range(count)}
    values["credential.helper"] = ""
    values[f"credential.{parts.scheme}://{host}.helper"] = "!" + shlex.join(command)
    return git_config(values)
