"""Signs the commits that no branch of the git host has. The key stays in the runner: git only stores the result.

A signed commit is another commit, so this comes before a build and before a push.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workspace.errors import GitError
from workspace.guest import guest_files
from workspace.repository.checkout import SENT, Checkout
from workspace.repository.host_rules.unsent_commits import COMMITS, REPLACED_REF
from workspace.repository.objects.transport import OBJECT_ID

_SIGNATURE = b"gpgsig"


@dataclass(frozen=True)
class RawCommit:
    """A commit's own name and content."""

    name: str
    content: bytes

    @property
    def is_signed(self) -> bool:
        """Whether it has a signature."""
        return any(line.startswith((_SIGNATURE + b" ", _SIGNATURE + b"-")) for line in _head(self.content))


def sign_unsent(checkout: Checkout, sign: Callable[[bytes], str]) -> str | None:
    """Puts signed commits in place of the unsent ones. Files and uncommitted edits do not change.

    Returns the new head; None if all are signed. Raises GitError, TimeoutError.
    """
    checkout.return_to_branch()
    argv = ("rev-list", "--topo-order", "--reverse", "HEAD", "--not", *SENT)
    names = checkout.run(*argv).split()
    if not names or len(names) > COMMITS:
        return None
    commits = _read(checkout, names)
    if all(commit.is_signed for commit in commits):
        return None
    head, made = checkout.head(), dict[str, str]()
    for commit in commits:
        content = with_parents(commit.content, made)
        if content != commit.content or not commit.is_signed:
            made[commit.name] = _write(checkout, signed(content, sign))
    if guest_files.look(checkout.site, f".git/{REPLACED_REF}") is None:
        checkout.run("update-ref", REPLACED_REF, head)
    checkout.run("update-ref", f"refs/heads/{checkout.branch}", made[head], head)
    return made[head]


def with_parents(content: bytes, made: dict[str, str]) -> bytes:
    """Returns a commit's content with the new names of its parents. Pure."""
    head, blank, message = content.partition(b"\n\n")
    lines = []
    for line in head.split(b"\n"):
        name = line.removeprefix(b"parent ").decode("ascii", "replace")
        lines.append(f"parent {made[name]}".encode() if line.startswith(b"parent ") and name in made else line)
    return b"\n".join(lines) + blank + message


def signed(content: bytes, sign: Callable[[bytes], str]) -> bytes:
    """Returns a commit's content with a signature of our own, in place of another one. Pure."""
    payload = _unsigned(content)
    head, blank, message = payload.partition(b"\n\n")
    signature = sign(payload).rstrip("\n").encode().replace(b"\n", b"\n ")
    return head + b"\n" + _SIGNATURE + b" " + signature + blank + message


def _unsigned(content: bytes) -> bytes:
    _, blank, message = content.partition(b"\n\n")
    kept, skipping = list[bytes](), False
    for line in _head(content):
        skipping = line.startswith(_SIGNATURE) or (skipping and line.startswith(b" "))
        if not skipping:
            kept.append(line)
    return b"\n".join(kept) + blank + message


def _head(content: bytes) -> Sequence[bytes]:
    return content.partition(b"\n\n")[0].split(b"\n")


def _read(checkout: Checkout, names: Sequence[str]) -> list[RawCommit]:
    asked = "".join(f"{name}\n" for name in names).encode()
    rest = checkout.git.completed("cat-file", "--batch", stdin=asked).stdout
    found = list[RawCommit]()
    for name in names:
        line, _, rest = rest.partition(b"\n")
        words = line.split()
        if len(words) != 3 or words[0].decode("ascii", "replace") != name or words[1] != b"commit":
            raise GitError("cat-file", 1, f"{name} cannot be read")
        size = int(words[2])
        found.append(RawCommit(name, rest[:size]))
        rest = rest[size + 1 :]
    return found


def _write(checkout: Checkout, content: bytes) -> str:
    name = checkout.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=content).strip()
    if not OBJECT_ID.fullmatch(name):
        raise GitError("hash-object", 1, f"it made no commit: {name[:200]!r}")
    return name
