"""The git host. Only this module has the token.

Network commands run in the runner's own repository (`transport`), never in the checkout: one line of its .git/config
(`url.….insteadOf`, `http.proxy`, `remote.origin.url`) would send the token elsewhere. While the token is in use no
process of the guest is alive.
"""

import contextlib
import ipaddress
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from workspace.credentials.git_credentials import GitCredentials
from workspace.errors import GitError, StepFailed
from workspace.guest.guest_user import Guest
from workspace.repository.git_errors import Refusal, classify
from workspace.repository.objects import streams
from workspace.repository.objects.object_exchange import ObjectExchange, Poll
from workspace.repository.objects.streams import Command
from workspace.repository.objects.transport import OBJECT_ID, Transport
from workspace.system.child_environment import git_config

_HELPER = Path(__file__).with_name("credential_helper.py")

_HEADS, _TRACKING = "refs/heads/", "refs/remotes/origin/"
_REMOTE = "refs/remote/"
"""The host's branches in the transport."""

_FETCHED = "refs/fetched/"
"""Commits in the transport that were fetched by their ids."""


def allowed_protocols(url: str) -> str:
    """Returns GIT_ALLOW_PROTOCOL for a repository: https, and http only for a host on this machine."""
    host = urlsplit(url).hostname or ""
    loopback = host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = loopback or ipaddress.ip_address(host).is_loopback
    return "http:https" if loopback else "https"


@dataclass
class Remote:
    """Clones, fetches and pushes one repository.

    Runs one network command at a time, so a workspace's pushes never race.
    """

    url: str
    credentials: GitCredentials = field(repr=False)
    transport: Transport
    exchange: ObjectExchange
    guest: Guest
    log: Callable[..., None] = field(repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def clone(self, *, timeout: float, poll: Poll = None) -> str:
        """Clones into the transport, and gives all of it to the checkout, which must be an empty repository.

        Returns the default branch; it may have no commit. Raises GitError, TimeoutError.
        """
        with self._lock:
            self.transport.clear()
            argv = ("clone", "--quiet", "--bare", "--template=", self.url, str(self.transport.folder))
            folder = self.transport.folder.parent
            self._network(Command(("git", *argv), folder, self.transport.env), timeout, poll)
            default = self.transport.run("symbolic-ref", "--short", "HEAD").stdout.decode().strip()
            self.transport.prepare()
            refs = self.transport.refs()
            if refs:
                self.exchange.give_all(timeout=timeout, poll=poll)
            self.exchange.set_refs({name.replace(_HEADS, _TRACKING, 1): commit for name, commit in refs.items()})
            return default

    def push(self, commit: str, branch: str, *, timeout: float, poll: Poll = None) -> None:
        """Pushes a commit of the checkout as a branch, fast-forward only.

        Raises GitError (its stderr includes stdout), TimeoutError, StepFailed (OBJECTS_REFUSED).
        """
        if not OBJECT_ID.fullmatch(commit):
            # What git says in the checkout may be the words of a program that traces it: `+…` would force the push.
            raise GitError("push", 1, f"{commit[:100]!r} is no commit")
        with self._lock:
            self.exchange.bring(commit, timeout=timeout, poll=poll)
            argv = ("push", "--porcelain", self.url, f"{commit}:refs/heads/{branch}")
            self._network(self.transport.command(*argv), timeout, poll)

    def fetch(self, branch: str, have: str, *, timeout: float, poll: Poll = None) -> str | None:
        """Fetches a branch's objects into the checkout. Returns its commit; None if the remote has no such branch.

        `have` is a commit of the checkout, so that only missing objects come. Raises GitError, TimeoutError.
        """
        with self._lock:
            self.transport.prepare()
            into = f"{_REMOTE}{branch}"
            argv = ("fetch", "--quiet", "--no-tags", "--no-auto-gc", self.url, f"+refs/heads/{branch}:{into}")
            try:
                self._network(self.transport.command(*argv), timeout, poll)
            except GitError as error:
                if "couldn't find remote ref" in error.stderr:
                    return None
                raise
            commit = self.transport.refs()[into]
            known = self.exchange.known([commit, have, *self.transport.refs().values()])
            if commit not in known:
                self.exchange.give([commit], known, timeout=timeout, poll=poll)
            return commit

    def tips(self, *, timeout: float, poll: Poll = None) -> dict[str, str]:
        """Returns the commit of each branch of the host, by name. Raises GitError, TimeoutError."""
        with self._lock:
            self.transport.prepare()
            listed = self._network(self.transport.command("ls-remote", "--heads", self.url), timeout, poll)
        rows = (line.split("\t", 1) for line in listed.decode("utf-8", "surrogateescape").splitlines() if "\t" in line)
        return {name.removeprefix(_HEADS): commit for commit, name in rows if OBJECT_ID.fullmatch(commit)}

    def fetch_commits(self, commits: Collection[str], have: str, *, timeout: float, poll: Poll = None) -> None:
        """Fetches commits by their ids into the checkout, which has `have`.

        Hosts that speak version 2 of git's protocol serve any commit that they have, whether or not a branch has it
        (gitprotocol-v2(5), `fetch`). Raises GitError (the host lacks one, or does not answer), TimeoutError.
        """
        if refused := [commit for commit in commits if not OBJECT_ID.fullmatch(commit)]:
            raise GitError("fetch", 1, f"{refused[0][:100]!r} is no commit")
        with self._lock:
            self.transport.prepare()
            if not self.transport.refs():
                # After a restore. Without a commit to tell the host, it would send the whole history.
                with contextlib.suppress(GitError, StepFailed):
                    self.exchange.bring(have, timeout=timeout, poll=poll)
            refspecs = [f"{commit}:{_FETCHED}{commit}" for commit in commits]
            argv = ("fetch", "--quiet", "--no-tags", "--no-auto-gc", "--no-write-fetch-head", self.url, *refspecs)
            self._network(self.transport.command(*argv), timeout, poll)
            known = self.exchange.known([*commits, have, *self.transport.refs().values()])
            if missing := [commit for commit in commits if commit not in known]:
                self.exchange.give(missing, known, timeout=timeout, poll=poll)

    def fetch_branches(self, commit: str, have: str, *, timeout: float, poll: Poll = None) -> None:
        """Fetches all branches of the host, and gives a commit to the checkout if one of them contains it.

        For a host that serves no commits by their ids. Raises GitError, TimeoutError.
        """
        with self._lock:
            self.transport.prepare()
            every = f"+{_HEADS}*:{_REMOTE}*"
            argv = ("fetch", "--quiet", "--no-tags", "--no-auto-gc", "--no-write-fetch-head", self.url, every)
            self._network(self.transport.command(*argv), timeout, poll)
            if self.transport.having([commit]):
                known = self.exchange.known([have, *self.transport.refs().values()])
                self.exchange.give([commit], known, timeout=timeout, poll=poll)

    def _network(self, command: Command, timeout: float, poll: Poll) -> bytes:
        try:
            return self._signed_in(command, timeout, poll)
        except GitError as error:
            if classify(error.stderr) is not Refusal.AUTH or not self.credentials.renew():
                raise
            return self._signed_in(command, timeout, poll)

    def _signed_in(self, command: Command, timeout: float, poll: Poll) -> bytes:
        token = self.credentials.token()
        with self.guest.absent(self.log), _token_socket(token) as fd:
            env = dict(command.env) | {"GIT_ALLOW_PROTOCOL": allowed_protocols(self.url)}
            network = Command(command.argv, command.cwd, env | _with_helper(env, self.url, fd), pass_fds=(fd,))
            done = streams.run(network, timeout=timeout, poll=poll)
        if done.returncode != 0:
            output = (done.stdout.decode("utf-8", "replace") + done.stderr).replace(token, "***")
            raise GitError(command.argv[1], done.returncode, output)
        return done.stdout


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
