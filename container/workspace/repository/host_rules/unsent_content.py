"""Looks for what a git host would refuse in the commits that it does not have yet. `judged` is pure.

- A file of more than 100 MiB: GitHub, GitLab.com's free tier and Bitbucket Cloud refuse it
  (https://docs.github.com/en/repositories/working-with-files/managing-large-files/about-large-files-on-github,
  https://docs.gitlab.com/ee/user/free_push_limit.html, https://community.atlassian.com/t5/Bitbucket-articles/ba-p/2629017).
- A secret: push protection refuses it, and no site should show it.
- A workflow of GitHub Actions: GitHub refuses it from tokens without the scope `workflow`, and ours need none. With the
  path and the content of one on another branch it passes (GitHub Docs, "Scopes for OAuth apps", `workflow`).
"""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.limits import CHECKOUT_FILE_BYTES
from sitewright.contracts.secrets.secret_shapes import secrets_in
from workspace.repository.checkout import SENT, Checkout

_WORKFLOWS = ".github/workflows/"

_OBJECTS = f"""
[ -n "$(git for-each-ref --count=1 refs/remotes/origin)" ] || exit 0
git rev-list --objects HEAD --not {shlex.join(SENT)} |
  git cat-file --batch-check='%(objectname) %(objecttype) %(objectsize) %(rest)'
"""

# Files over 5 MB are not searched for secrets.
_PATCHES = f"""
printf '\\0'
git -c core.quotePath=false -c core.bigFileThreshold=5m log --patch --format= --unified=0 --no-merges --no-renames \\
  --no-color --no-ext-diff --no-textconv --src-prefix=a/ --dst-prefix=b/ HEAD --not {shlex.join(SENT)}
"""

_SECONDS = 20.0
"""The limit of one look."""


@dataclass(frozen=True)
class Blob:
    """A file's content that the host does not have."""

    name: str
    """The object's id."""
    size: int
    path: str


@dataclass(frozen=True)
class Leak:
    """A secret in a line that an unsent commit added."""

    path: str
    secret: str


@dataclass(frozen=True)
class Refusable:
    """What a host would refuse."""

    code: ErrorCode
    path: str
    present: bool
    """Whether the files of HEAD still have it. Else only the history does."""


def is_github(url: str) -> bool:
    """Returns whether a repository is on GitHub. The name of an Enterprise Server does not tell."""
    host = (urlsplit(url).hostname or "").lower()
    return host == "github.com" or host.endswith(".ghe.com")


def look(checkout: Checkout, *, github: bool) -> list[Refusable]:
    """Returns what a host would refuse of the unsent commits. Raises GitError, TimeoutError."""
    # One script: each program of the guest's costs some 5 ms for the change of users.
    objects, _, patch = _output(checkout, _OBJECTS + _PATCHES).partition("\0")
    blobs, leaks = _blobs(objects), leaks_in(patch)
    suspects = judged(blobs, leaks, set(), set(), github=github)
    if not suspects:
        return []
    tree = checkout.run("ls-tree", "-r", "-z", "HEAD")
    there = {entry.partition("\t")[0].split()[2] for entry in tree.split("\0") if "\t" in entry}
    return judged(blobs, leaks, there, _holding(checkout, leaks), github=github)


def judged(
    blobs: Sequence[Blob], leaks: Sequence[Leak], there: Collection[str], holding: Collection[str], *, github: bool
) -> list[Refusable]:
    """Returns what a host would refuse. Pure.

    Args:
        blobs: the content that the host does not have.
        leaks: secrets in lines that unsent commits added.
        there: the ids of the objects in HEAD's files.
        holding: the secrets that HEAD's files have.
        github: whether the host is GitHub, the only one that refuses workflows.
    """
    found = [Refusable(ErrorCode.PUSH_SECRET, leak.path, leak.secret in holding) for leak in leaks]
    for blob in blobs:
        if blob.size > CHECKOUT_FILE_BYTES:
            found.append(Refusable(ErrorCode.PUSH_LARGE_FILE, blob.path, blob.name in there))
        if github and blob.path.startswith(_WORKFLOWS):
            found.append(Refusable(ErrorCode.PUSH_WORKFLOW, blob.path, blob.name in there))
    return list(dict.fromkeys(found))


def unsent_blobs(checkout: Checkout) -> list[Blob]:
    """Returns the contents that the host does not have, with a path of each. Raises GitError, TimeoutError."""
    return _blobs(_output(checkout, _OBJECTS))


def _output(checkout: Checkout, script: str) -> str:
    return checkout.git.script(script, timeout=_SECONDS).stdout.decode("utf-8", "replace")


def _blobs(listing: str) -> list[Blob]:
    rows = (line.split(" ", 3) for line in listing.split("\n"))
    return [Blob(row[0], int(row[2]), row[3]) for row in rows if len(row) == 4 and row[1] == "blob"]


def leaks_in(patch: str) -> list[Leak]:
    """Returns the secrets in a patch's added lines. Pure."""
    added, path, header = dict[str, list[str]](), "", True
    for line in patch.split("\n"):
        if line.startswith("diff --git "):
            header = True
        elif header and line.startswith("+++ "):
            path = line[4:].split("\t")[0].strip('"').removeprefix("b/")
        elif line.startswith("@@ "):
            header = False
        elif not header and line.startswith("+"):
            added.setdefault(path, []).append(line[1:])
    return [Leak(path, secret) for path, lines in added.items() for secret in secrets_in("\n".join(lines))]


def _holding(checkout: Checkout, leaks: Sequence[Leak]) -> set[str]:
    """Returns those of the secrets that files of HEAD have."""
    # The secrets go through stdin: a command line is everybody's to read.
    held = set[str]()
    for leak in leaks:
        argv = ("grep", "--quiet", "--fixed-strings", "-f", "-", "HEAD")
        if checkout.git.completed(*argv, stdin=f"{leak.secret}\n".encode(), timeout=_SECONDS).returncode == 0:
            held.add(leak.secret)
    return held
