"""Asks the git host which commits its branches have, by one request of the runner's own.

`git ls-remote` would start four processes and send four requests, while no process of the guest may be alive: 0.1 s of
each command, for an answer that is mostly "nothing new". This request hands the token to no program. So it goes out
beside other work. It is version 2 of git's protocol (gitprotocol-v2(5), `ls-refs`), which GitHub, GitLab, Gitea and
Bitbucket speak. Whatever else a host answers, git asks again.
"""

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from workspace.repository.credential_helper import USERNAME
from workspace.repository.objects.transport import OBJECT_ID

TIMEOUT_SECONDS = 5.0
"""The limit of the connection and of each read."""

_MAX_BYTES = 2**20
_HEADS = "refs/heads/"
_SYMREF = "symref-target:"


class NoTips(Exception):
    """The host did not answer as expected. The text says how.

    `silent`: it is down or out of reach, so git would get no answer either.
    """

    def __init__(self, text: str, *, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent


@dataclass(frozen=True)
class HostTips:
    """The host's branches that were asked for."""

    default_branch: str
    commits: dict[str, str] = field(default_factory=dict)
    """The commit of each existing branch by name. The default branch is always in it."""


class HostQuestion:
    """Asks one host again and again. Safe to use from one thread at a time."""

    def __init__(self, url: str, ca_file: str | None = None) -> None:
        """`ca_file` has further trust anchors: those of git (GIT_SSL_CAINFO)."""
        self._url = f"{url.rstrip('/')}/git-upload-pack"
        self._ca_file = ca_file
        self._opener: urllib.request.OpenerDirector | None = None

    def ask(self, token: str, branches: Collection[str]) -> HostTips:
        """Returns the commits of the default branch and of the named ones. Raises NoTips."""
        signed_in = base64.b64encode(f"{USERNAME}:{token}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - the settings allow https, and http for loopback only
            self._url,
            data=question(branches),
            headers={
                "Accept": "application/x-git-upload-pack-result",
                "Authorization": f"Basic {signed_in}",
                "Content-Type": "application/x-git-upload-pack-request",
                "Git-Protocol": "version=2",
                "User-Agent": "git/2.47 (sitewright)",
            },
        )
        try:
            with self._opened().open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answered(answer.read(_MAX_BYTES), branches)
        except urllib.error.HTTPError as error:
            with error:
                raise NoTips(str(error), silent=error.code >= 500) from error
        except (OSError, http.client.HTTPException) as error:
            raise NoTips(str(error), silent=True) from error

    def _opened(self) -> urllib.request.OpenerDirector:
        # Kept, because reading the trust anchors takes 0.05 to 0.15 s of a core.
        if self._opener is None:
            handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
            if self._url.startswith("https:"):
                context = ssl.create_default_context()
                if self._ca_file:
                    context.load_verify_locations(cafile=self._ca_file)
                handlers.append(urllib.request.HTTPSHandler(context=context))
            self._opener = urllib.request.build_opener(*handlers)
        return self._opener


def question(branches: Collection[str]) -> bytes:
    """Returns the request's body (gitprotocol-common(5), pkt-line). Pure."""
    arguments = ["symrefs", "ref-prefix HEAD", *(f"ref-prefix {_HEADS}{name}" for name in branches)]
    return _line("command=ls-refs") + b"0001" + b"".join(map(_line, arguments)) + b"0000"


def answered(body: bytes, branches: Collection[str]) -> HostTips:
    """Parses the answer. Raises NoTips for one that names no default branch. Pure."""
    default, commits = None, dict[str, str]()
    for line in _lines(body):
        commit, _, rest = line.partition(" ")
        name, *attributes = rest.split(" ")
        if not OBJECT_ID.fullmatch(commit):
            raise NoTips(f"an unexpected line: {line[:200]!r}")
        if name == "HEAD":
            targets = [part.removeprefix(_SYMREF) for part in attributes if part.startswith(f"{_SYMREF}{_HEADS}")]
            if targets:
                default = targets[0].removeprefix(_HEADS)
                commits[default] = commit
        elif (branch := name.removeprefix(_HEADS)) in branches:
            commits[branch] = commit
    if default is None:
        raise NoTips("the host names no default branch")
    return HostTips(default, commits)


def _line(text: str) -> bytes:
    content = f"{text}\n".encode()
    return f"{len(content) + 4:04x}".encode() + content


def _lines(body: bytes) -> Iterator[str]:
    at = 0
    while at + 4 <= len(body):
        try:
            length = int(body[at : at + 4], 16)
        except ValueError as error:
            raise NoTips(f"no line of git's protocol: {body[at : at + 60]!r}") from error
        if length == 0:
            return
        if length < 4 or at + length > len(body):
            break
        yield body[at + 4 : at + length].decode("utf-8", "surrogateescape").rstrip("\n")
        at += length
    raise NoTips("the answer is cut off")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # git follows the first redirect by its own rules. The token stays on the repository's host here.
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
