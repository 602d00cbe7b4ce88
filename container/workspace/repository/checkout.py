"""The checkout: the runner's local git commands in the session's working copy.

The agent works in the same folder. So HEAD may be detached, a killed git may have left a lock file, and hooks may be
configured. This module handles all of these. `guest_git` runs the commands, `remote` does those of the network.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor
from sitewright.contracts.limits import LOCKFILE_BYTES
from workspace.credentials.git_credentials import GitCredentials
from workspace.errors import GitError
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, Refusal
from workspace.guest.guest_user import Guest
from workspace.repository.checkout_scan import clear_git_folder
from workspace.repository.guest_git import GuestGit
from workspace.repository.local_rules import LocalRules
from workspace.repository.objects.object_exchange import ObjectExchange, Poll
from workspace.repository.objects.transport import Transport, must
from workspace.repository.remote import Remote
from workspace.repository.staging import Staging, refuse
from workspace.system.child_environment import git_environment
from workspace.system.paths import Paths

_SNAPSHOT = "Uncommitted edits"

WIP_REF = "refs/sitewright/wip"
"""The uncommitted tree of a checkpoint, as a commit on HEAD."""

MERGING_REF = "refs/sitewright/merging"
"""A conflict whose resolution is under way in the files: a commit on HEAD, and on the commit that is taken in."""

LOCKFILES = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock")

_BEGIN = (
    'git init --quiet --template= --initial-branch="$1" && git config remote.origin.url "$2"'
    " && git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'"
)

_CLEAR_LOCKS = "find .git -maxdepth 1 -name '*.lock' -delete; find .git/refs -name '*.lock' -delete"


@dataclass
class Checkout:
    """A session's checkout on its branch. All methods raise GitError if git fails."""

    git: GuestGit
    branch: str
    """The session's branch."""
    remote: Remote = field(repr=False)
    kept: tuple[str, ...] = ()
    """Files that git ignores and checkpoints have all the same: the agent wrote them."""
    staging: Staging = field(init=False)
    rules: LocalRules = field(init=False)

    @classmethod
    def of(
        cls,
        paths: Paths,
        *,
        url: str,
        branch: str,
        credentials: GitCredentials,
        guest: Guest,
        inherited: Mapping[str, str],
        log: Callable[..., None],
        author: CommitAuthor = DEFAULT_AUTHOR,
    ) -> "Checkout":
        """Returns the checkout of a workspace, with its remote repository at `url`. Changes nothing yet."""
        env = git_environment(ceiling=paths.root, inherited=inherited, author=author, tmp=paths.guest_tmp)
        git = GuestGit(paths.site, paths.guest_tmp, env, guest)
        own = git_environment(ceiling=paths.private, inherited=inherited, tmp=paths.scratch)
        transport = Transport(paths.transport, own)
        remote = Remote(url, credentials, transport, ObjectExchange(git, transport), guest, log)
        return cls(git, branch, remote)

    def __post_init__(self) -> None:
        self.staging, self.rules = Staging(self.git), LocalRules(self.git)

    @property
    def site(self) -> Path:
        """The folder."""
        return self.git.site

    def begin(self) -> None:
        """Replaces the checkout by an empty repository on the session's branch."""
        self.git.guest.remove(self.site)
        self.git.guest.folder(self.site)
        must("init", self.git.script(_BEGIN, self.branch, self.remote.url))
        self.rules.write()

    def drop_changes(self, *, but: str | None = None) -> None:
        """Puts the files back to HEAD, but those that git ignores and those in the folder `but`.

        To be called after a build: all edits are committed then, so what differs is what the build wrote.
        """
        if not self.is_dirty():
            return
        self.clear_locks()
        spared = [f":(top,exclude,literal){but}"] if but else []
        self.git.run("restore", "--quiet", "--staged", "--worktree", "--source=HEAD", "--", ":/", *spared)
        self.git.run("clean", "--quiet", "-fd", "--", ":/", *spared)

    def clone(self, *, timeout: float, poll: Poll = None) -> None:
        """Replaces the checkout by a clone, without files. Raises GitError, TimeoutError."""
        self.begin()
        self.set_default_branch(self.remote.clone(timeout=timeout, poll=poll))

    def set_default_branch(self, name: str) -> None:
        """Notes the remote's default branch, like a clone."""
        self.git.run("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{name}")

    @property
    def default_branch(self) -> str:
        """The remote's default branch, as known from the clone."""
        ref = self.git.run("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", check=False).strip()
        if ref:
            return ref.removeprefix("refs/remotes/origin/")
        names = self._lines("for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin")
        for name in ("main", "master", *names):
            if name in names:
                return name
        raise GitError("symbolic-ref", 1, "the repository has no branch")

    def head(self) -> str:
        """Returns the commit of HEAD (40 hex digits)."""
        return self.git.run("rev-parse", "--verify", "HEAD^{commit}").strip()

    def resolve(self, revision: str) -> str | None:
        """Returns the commit of a revision, or None."""
        found = self.git.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False
        )
        return found.strip() or None

    def must_have(self, commit: str) -> None:
        """Raises GitError if the repository lacks a commit that it had. Then it was replaced or moved."""
        if not guest_files.is_folder(self.site, ".git") or self.resolve(commit) is None:
            raise GitError("rev-parse", 1, f"the repository is not the session's any more: it lacks {commit}")

    def current_branch(self) -> str | None:
        """Returns the branch of HEAD, or None if HEAD is detached."""
        return self.git.run("symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip() or None

    def tracking(self) -> str | None:
        """Returns the last known commit of the session's branch on the remote."""
        return self.resolve(f"refs/remotes/origin/{self.branch}")

    def set_tracking(self, branch: str, commit: str) -> None:
        """Notes the present commit of a remote branch."""
        self.git.run("update-ref", f"refs/remotes/origin/{branch}", commit)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Returns whether `newer` contains `older`."""
        done = self.git.completed("merge-base", "--is-ancestor", older, newer)
        if done.returncode not in {0, 1}:
            raise GitError("merge-base", done.returncode, done.stderr)
        return done.returncode == 0

    def is_dirty(self) -> bool:
        """Returns whether there are uncommitted changes. Untracked files count, ignored files do not."""
        return bool(self._status())

    def changed_files(self, base: str) -> list[str]:
        """Returns the sorted paths that differ from commit `base`.

        Includes committed, uncommitted and untracked files, but no ignored ones. Raises StepFailed for files that go
        into no commit (FILE_TOO_LARGE, TOO_MANY_FILES).
        """
        tree, leftover = self.staging.write_tree()
        refuse(leftover)
        return self._paths("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, tree)

    def commit_all(self, message: str, *, allow_empty: bool = False) -> str | None:
        """Commits all changes onto the session's branch. Returns the commit, or None without changes."""
        self.unblock()
        self.clear_locks()
        self.abandon_merge()
        self.return_to_branch()
        self.staging.add()
        unfinished = guest_files.look(self.site, ".git/MERGE_HEAD") is not None
        staged = self._code("diff", "--cached", "--quiet", "--no-ext-diff") != 0
        if not staged and not allow_empty and not unfinished:
            # This raises if a file cannot be added (a nested repository without a commit). Such a file is not "no change".
            self.staging.add(check=True)
            return None
        argv = ["commit", "--quiet", "--no-verify", "--cleanup=whitespace", "--allow-empty-message", "-F", "-"]
        self.git.run(*argv, *(["--allow-empty"] if allow_empty else []), stdin=message.encode("utf-8", "replace"))
        return self.head()

    def tree_snapshot(self) -> str:
        """Returns a commit of the whole tree on `refs/sitewright/wip`, or HEAD if the tree is clean.

        The tree includes uncommitted and untracked files and those in `kept`, but none over a limit. The agent may be
        running: git works on a copy of the index, so index and worktree do not change. The same tree on the same HEAD
        gives the same commit.
        """
        tree, _ = self.staging.write_tree(also=self.kept)
        head = self.head()
        if tree == self.git.run("rev-parse", f"{head}^{{tree}}").strip():
            if self.resolve(WIP_REF):
                self.git.run("update-ref", "-d", WIP_REF)
            return head
        date = self.git.run("show", "--no-patch", "--format=%cI", head).strip()
        dated = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        done = must("commit-tree", self.git.completed("commit-tree", tree, "-p", head, "-m", _SNAPSHOT, env=dated))
        commit = done.stdout.decode().strip()
        self.git.run("update-ref", WIP_REF, commit)
        return commit

    def restore_tree(self, snapshot: str) -> None:
        """Puts a snapshot's tree into the worktree as uncommitted edits of HEAD. The worktree must be clean."""
        self.git.run("read-tree", "--reset", "-u", snapshot)
        self.git.run("reset", "--quiet", "--mixed", "HEAD")

    def lockfile_sha256(self) -> str | None:
        """Returns the digest of the package manager's lock file in the worktree; None without a lock file."""
        for name in LOCKFILES:
            try:
                return hashlib.sha256(guest_files.read_file(self.site, name, limit=LOCKFILE_BYTES)).hexdigest()
            except GuestFileError as error:
                if error.reason is not Refusal.MISSING:
                    return None
        return None

    def start_branch(self) -> None:
        """Checks out the session's branch: the remote's, or a new branch from the default branch."""
        start = self.tracking() or self.resolve(f"refs/remotes/origin/{self.default_branch}")
        if start is None:
            raise GitError("checkout", 1, "the repository has no commit")
        self.git.run("checkout", "--quiet", "--no-track", "-B", self.branch, start)

    def abandon_merge(self) -> bool:
        """Puts HEAD and files back to before a conflict whose resolution did not end. Returns whether there was one.

        Only the resolution is lost: the client's own edits are committed before one begins.
        """
        # A look at the file costs no process.
        if guest_files.look(self.site, f".git/{MERGING_REF}") is None:
            return False
        merging = self.resolve(MERGING_REF)
        self.git.script("rm -rf .git/rebase-merge .git/rebase-apply .git/MERGE_HEAD")
        self.git.run("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        self.git.run("reset", "--quiet", "--hard", f"{merging}^1")
        self.git.run("clean", "--quiet", "-fd")
        self.git.run("update-ref", "-d", MERGING_REF)
        return True

    def unblock(self) -> None:
        """Removes what git would wait at for ever, such as a fifo in place of .git/config."""
        clear_git_folder(self.site)

    def clear_locks(self) -> None:
        """Removes lock files of a killed git. Only to be called while no child runs."""
        self.git.script(_CLEAR_LOCKS)

    def commits_touch(self, base: str, commit: str) -> list[str]:
        """Returns the sorted paths that differ between two commits."""
        return self._paths("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, commit)

    def run(self, *argv: str, stdin: bytes = b"") -> str:
        """Runs a local git command in the checkout and returns its stdout."""
        return self.git.run(*argv, stdin=stdin)

    def return_to_branch(self) -> None:
        """Moves the agent's commits onto the session's branch, and HEAD too.

        The agent may have detached HEAD, switched branches or stopped within a rebase.
        """
        if self.current_branch() == self.branch:
            return
        self.git.script("rm -rf .git/rebase-merge .git/rebase-apply")
        head, tip = self.head(), self.resolve(f"refs/heads/{self.branch}")
        if tip is not None and not self.is_ancestor(tip, head):
            # No side may be lost. So this merges both, with the tree of the agent's HEAD.
            tree = self.git.run("rev-parse", f"{head}^{{tree}}").strip()
            head = self.git.run("commit-tree", tree, "-p", tip, "-p", head, "-m", "Merge the agent's commits").strip()
        self.git.run("update-ref", f"refs/heads/{self.branch}", head)
        self.git.run("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")

    def _status(self) -> bytes:
        # Optional locks would collide with git commands of the running agent.
        argv = ("status", "--porcelain", "-z", "--untracked-files=normal")
        self.staging.look()
        return must("status", self.git.completed(*argv, env={"GIT_OPTIONAL_LOCKS": "0"})).stdout

    def _paths(self, *argv: str) -> list[str]:
        done = must(argv[0], self.git.completed(*argv))
        return sorted(path.decode("utf-8", "replace") for path in done.stdout.split(b"\0") if path)

    def _lines(self, *argv: str) -> list[str]:
        return [line for line in self.git.run(*argv).splitlines() if line]

    def _code(self, *argv: str) -> int:
        return self.git.completed(*argv).returncode
