"""The commits of a session that no branch of the git host has yet, and one clean commit in their place.

A host that refuses one commit refuses each push whose history has it. Once the cause is gone from the files, one commit
with the same files takes the place of all of them. It names them in its message, so that other sessions know their work
as contained (`newer_work.folded_work`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sitewright.contracts.commit_trailers import REPLACES, commit_trailers, replaces_trailers
from workspace.guest import guest_files
from workspace.repository.checkout import SENT, Checkout
from workspace.repository.newer_work.merge import commit_of

REFUSED_REF = "refs/sitewright/refused"
"""A commit whose push the host refused. While it is there, a build begins with a clean commit."""

REPLACED_REF = "refs/sitewright/replaced"
"""The commit in whose place a clean one stands. It may be live, so checkpoints keep it until the next publish."""

COMMITS = 200
"""How many commits are folded at most. More are not the work of one session: the host's branches are not known."""

_SUBJECTS = 20
_WIP = "WIP:"

_FORMAT = f"%m%H%x09%P%x09%(trailers:key={REPLACES},valueonly,separator=%x20)%x09%s"


@dataclass(frozen=True)
class UnsentCommit:
    """A commit that no branch of the host has. `replaces`: those in whose place it stands itself."""

    commit: str
    parents: tuple[str, ...]
    replaces: tuple[str, ...]
    subject: str


@dataclass(frozen=True)
class Unsent:
    """The unsent commits, newest first, and the sent ones that they stand on."""

    commits: tuple[UnsentCommit, ...]
    base: tuple[str, ...]

    @property
    def may_fold(self) -> bool:
        """Whether one commit in their place has less history than they have."""
        return 1 < len(self.commits) <= COMMITS and bool(self.base)


def unsent(checkout: Checkout) -> Unsent:
    """Returns the commits of HEAD that no known branch of the host has. Raises GitError, TimeoutError."""
    argv = ("log", "--topo-order", "--boundary", f"--max-count={COMMITS + 50}", f"--format={_FORMAT}")
    return parsed(checkout.run(*argv, "HEAD", "--not", *SENT))


def parsed(listing: str) -> Unsent:
    """Reads the listing of `git log --boundary` in our format. Pure."""
    commits, base = list[UnsentCommit](), list[str]()
    for line in listing.splitlines():
        if len(parts := line.split("\t", 3)) != 4:
            continue
        mark, commit = parts[0][:1], parts[0][1:]
        if mark == "-":
            base.append(commit)
        else:
            commits.append(UnsentCommit(commit, tuple(parts[1].split()), tuple(parts[2].split()), parts[3]))
    return Unsent(tuple(commits), tuple(base))


def fold(checkout: Checkout, session_id: str, command_id: str) -> str | None:
    """Puts one commit with HEAD's files in place of the unsent ones. Files and uncommitted edits do not change.

    Returns the commit; None if there is nothing to fold. Raises GitError, TimeoutError.
    """
    checkout.unblock()
    checkout.clear_locks()
    checkout.return_to_branch()
    found = unsent(checkout)
    if not found.may_fold:
        return None
    head = checkout.head()
    # A sent commit below another one needs no line of its own.
    base = checkout.run("merge-base", "--independent", *found.base).split()
    message = folded_message(found.commits, session_id, command_id)
    commit = commit_of(checkout.git, f"{head}^{{tree}}", tuple(base), message)
    checkout.run("update-ref", REPLACED_REF, head)
    checkout.run("update-ref", f"refs/heads/{checkout.branch}", commit, head)
    return commit


def unfold(checkout: Checkout, commit: str) -> None:
    """Puts the branch back to the commits before a fold. Raises GitError."""
    before = checkout.resolve(REPLACED_REF)
    if before is not None:
        checkout.run("update-ref", f"refs/heads/{checkout.branch}", before, commit)
        checkout.run("update-ref", "-d", REPLACED_REF)


def folded_message(commits: Sequence[UnsentCommit], session_id: str, command_id: str) -> str:
    """Returns the message of the commit in place of others, which are given newest first. Pure."""
    subjects = [one.subject for one in commits if len(one.parents) < 2 and not one.subject.startswith(_WIP)]
    first = subjects[0] if subjects else commits[0].subject
    lines = [f"- {one.subject}" for one in commits[:_SUBJECTS]]
    if len(commits) > _SUBJECTS:
        lines.append(f"- and {len(commits) - _SUBJECTS} more")
    replaced = list(dict.fromkeys(name for one in commits for name in (one.commit, *one.replaces)))
    listed = "\n".join(lines)
    return (
        f"{first}\n\nOne commit in place of {len(commits)}, one of which the git host refused:\n\n{listed}\n\n"
        f"{replaces_trailers(replaced)}{commit_trailers(session_id, command_id)}"
    )


def mark_refused(checkout: Checkout, commit: str) -> None:
    """Notes that the host refused a commit. Raises GitError."""
    checkout.run("update-ref", REFUSED_REF, commit)


def is_refused(checkout: Checkout) -> bool:
    """Returns whether the host refused the session's last push."""
    # A look at the file costs no process.
    return guest_files.look(checkout.site, f".git/{REFUSED_REF}") is not None


def forget(checkout: Checkout, ref: str) -> None:
    """Removes a note, if it is there. Raises GitError."""
    if guest_files.look(checkout.site, f".git/{ref}") is not None:
        checkout.run("update-ref", "-d", ref)
