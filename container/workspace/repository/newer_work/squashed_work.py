"""Finds the work of one branch that another branch has as other commits: squashed, rebased or cherry-picked.

A host that merges a branch by squashing makes one new commit of it. A merge by ancestry would replay the branch's own
commits on top, and bring back what was changed after the squash. A person who knows of the squash would not.
"""

from dataclasses import dataclass

from workspace.repository.guest_git import GuestGit
from workspace.repository.objects.transport import OBJECT_ID

COMMITS = 50
"""How many commits of a branch are compared, the newest first."""

OTHERS = 500
"""How many commits of the other branch are compared, the newest first."""

SECONDS = 30.0
"""The limit of one comparison. 500 commits of a usual site take less than a second."""

# A patch's id ignores line numbers and white space, so the same edit on top of other commits has the same id
# (git-patch-id(1)). `--full-index` makes a picture's id depend on its content.
_DIFF = "--patch --full-index --no-ext-diff --no-textconv --no-renames"

_OTHERS = f"""
git rev-list --no-merges --max-count={OTHERS} "$1..$2" | git diff-tree --stdin --root {_DIFF} | git patch-id --stable
"""

_OWN = f"""
git rev-list --first-parent --ancestry-path --max-count={COMMITS} "$1..$2" | while read commit; do
  whole=$(git diff-tree {_DIFF} "$1" "$commit" | git patch-id --stable | cut -d ' ' -f 1)
  single=$(git diff-tree {_DIFF} "$commit^1" "$commit" | git patch-id --stable | cut -d ' ' -f 1)
  echo "$commit ${{whole:--}} ${{single:--}}"
done
"""


@dataclass(frozen=True)
class OwnCommit:
    """A commit of a branch. `whole` is the patch id of all work up to it, `single` that of its own; None: no change."""

    commit: str
    whole: str | None
    single: str | None


def taken_over(git: GuestGit, base: str, ours: str, theirs: str) -> str | None:
    """Returns the newest commit of one branch up to which the other branch has all of its work; None without one.

    `base` is the branches' merge base. The commit serves as the base of a merge in place of it. None too if the comparison
    takes too long: an import of many files must not keep a session from everything newer.
    """
    try:
        for own, other in ((ours, theirs), (theirs, ours)):
            found = newest_taken(_own(git, base, own), _patch_ids(git, base, other))
            if found is not None:
                return found
    except TimeoutError:
        return None
    return None


def newest_taken(own: list[OwnCommit], others: set[str]) -> str | None:
    """Returns the newest commit whose whole work is among the patches of others. `own` begins with the newest. Pure."""
    taken, each = None, True
    for commit in reversed(own):
        each = each and (commit.single is None or commit.single in others)
        if commit.whole is not None and (each or commit.whole in others):
            taken = commit.commit
    return taken


def _own(git: GuestGit, base: str, tip: str) -> list[OwnCommit]:
    rows = [line.split() for line in _lines(git, _OWN, base, tip)]
    return [
        OwnCommit(row[0], *(None if part == "-" else part for part in row[1:]))
        for row in rows
        if len(row) == 3 and OBJECT_ID.fullmatch(row[0])
    ]


def _patch_ids(git: GuestGit, base: str, tip: str) -> set[str]:
    return {line.split()[0] for line in _lines(git, _OTHERS, base, tip) if line.strip()}


def _lines(git: GuestGit, script: str, base: str, tip: str) -> list[str]:
    done = git.script(script, base, tip, timeout=SECONDS)
    return done.stdout.decode("ascii", "replace").splitlines()
