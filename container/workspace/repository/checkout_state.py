"""What git knows of a checkout, told by one process: each process of the guest's costs a step some 10 ms."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from workspace.errors import GitError

ASK = """\
git rev-parse --quiet --verify 'HEAD^{commit}' || echo
git rev-parse --quiet --verify 'HEAD^{tree}' || echo
git symbolic-ref --quiet HEAD || echo
git for-each-ref --format='%(refname) %(objectname) %(symref)'
"""
"""Shell lines whose output `parsed` reads."""

_HEADS, _REMOTE = "refs/heads/", "refs/remotes/origin/"
_USUAL_DEFAULTS = ("main", "master")


@dataclass(frozen=True)
class CheckoutState:
    """HEAD and the refs at one moment."""

    head: str
    """The commit of HEAD; empty before the first one."""
    tree: str
    """The tree of that commit."""
    branch: str | None
    """The branch that is checked out; None if HEAD is detached."""
    refs: Mapping[str, str]
    """The object of each ref by its full name."""
    remote_head: str | None = None
    """The remote's default branch, as a clone notes it."""

    @property
    def default_branch(self) -> str:
        """The remote's default branch. Raises GitError if the remote has no branch."""
        if self.remote_head is not None:
            return self.remote_head
        names = [name.removeprefix(_REMOTE) for name in sorted(self.refs) if name.startswith(_REMOTE)]
        for name in (*(usual for usual in _USUAL_DEFAULTS if usual in names), *names):
            return name
        raise GitError("symbolic-ref", 1, "the repository has no branch")

    @property
    def own_refs(self) -> str:
        """The refs in lines, without the remote's."""
        own = [f"{name} {commit}" for name, commit in sorted(self.refs.items()) if not name.startswith("refs/remotes/")]
        return "\n".join(own)

    def with_ref(self, name: str, commit: str | None) -> "CheckoutState":
        """Returns the state after a ref was set, or removed (None)."""
        others = {ref: known for ref, known in self.refs.items() if ref != name}
        return replace(self, refs=others if commit is None else others | {name: commit})


@dataclass(frozen=True)
class Snapshot:
    """The state of a checkout, and its whole tree."""

    state: CheckoutState
    commit: str = field(default="")
    """A commit of the whole tree; HEAD's if the tree is clean."""


def parsed(text: str) -> CheckoutState:
    """Returns the state that the output of `ASK` tells. Raises GitError for an output that is cut short. Pure."""
    lines = text.split("\n")
    if len(lines) < 3:
        raise GitError("rev-parse", 1, f"git told less than HEAD: {text[:200]!r}")
    head, tree, branch, *rest = lines
    refs, remote_head = dict[str, str](), None
    for line in rest:
        name, _, values = line.partition(" ")
        commit, _, target = values.partition(" ")
        if name == f"{_REMOTE}HEAD":
            remote_head = target.removeprefix(_REMOTE) or None
        elif name:
            refs[name] = commit
    return CheckoutState(head, tree, branch.removeprefix(_HEADS) or None, refs, remote_head)
