"""The checkout: the runner's local git commands in the session's working copy.

The agent works in the same folder. So HEAD may be detached, a killed git may have left a lock file, and hooks may be
configured. This module handles all of these. `guest_git` runs the commands, `remote` does those of the network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor
from workspace.credentials.git_credentials import GitCredentials
from workspace.errors import GitError
from workspace.guest import guest_files
from workspace.guest.guest_user import Guest
from workspace.repository import changed_paths, checkout_scripts
from workspace.repository.checkout_scan import clear_git_folder
from workspace.repository.checkout_state import ASK, CheckoutState, Snapshot, parsed
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

ON_HOST_REF = "refs/sitewright/on-host"
"""The newest live commit that the git host gave: it is there, whichever branch has it."""

SENT = ("--remotes=origin", f"--glob={ON_HOST_REF}*")
"""What the git host has, as far as the checkout knows: arguments of `git rev-list`."""


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
        must("init", self.git.script(checkout_scripts.BEGIN, self.branch, self.remote.url))
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
        return self.state().default_branch

    def state(self) -> CheckoutState:
        """Returns HEAD and the refs."""
        return parsed(must("rev-parse", self.git.script(ASK)).stdout.decode("utf-8", "surrogateescape"))

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

    def intact(self, base: str | None) -> str:
        """Returns the commit of HEAD. Raises GitError for a repository that git cannot read, or that lacks `base`."""
        if base is not None and guest_files.is_folder(self.site, ".git"):
            done = self.git.completed("rev-parse", "HEAD^{commit}", f"{base}^{{commit}}")
            found = done.stdout.decode("utf-8", "replace").split()
            if done.returncode == 0 and len(found) == 2:
                return found[0]
        head = self.head()
        if base is not None:
            self.must_have(base)
        return head

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
        # Optional locks would collide with git commands of the running agent.
        argv = ("status", "--porcelain", "-z", "--untracked-files=normal")
        self.staging.look()
        return bool(must("status", self.git.completed(*argv, env={"GIT_OPTIONAL_LOCKS": "0"})).stdout)

    def changed_files(self, base: str) -> list[str]:
        """Returns the sorted paths that differ from commit `base`.

        Includes committed, uncommitted and untracked files, but no ignored ones. Raises StepFailed for files that go
        into no commit (FILE_TOO_LARGE, TOO_MANY_FILES).
        """
        diff = 'git diff --name-only -z --no-renames --no-ext-diff "$1" "$tree"'
        _, listed, leftover = self.staging.write_tree_and(diff, base)
        refuse(leftover)
        return changed_paths.parsed(listed)

    def commit_all(self, message: str, *, allow_empty: bool = False) -> str | None:
        """Commits all changes onto the session's branch. Returns the commit, or None without changes."""
        self.unblock()
        _, branch = self._position(checkout_scripts.CLEAR_LOCKS)
        if self.abandon_merge() or branch != self.branch:
            self.return_to_branch()
        adds = self.staging.add_lines()
        unfinished = guest_files.look(self.site, ".git/MERGE_HEAD") is not None
        done = self.git.script(
            f"{adds}\n{checkout_scripts.COMMIT}",
            "forced" if allow_empty or unfinished else "",
            "--allow-empty" if allow_empty else "",
            stdin=message.encode("utf-8", "replace"),
            timeout=checkout_scripts.COMMIT_SECONDS,
        )
        commit = must("commit", done).stdout.decode().strip()
        if not commit:
            # This raises if a file cannot be added (a nested repository without a commit). Such a file is not "no change".
            self.staging.add(check=True)
        return commit or None

    def tree_snapshot(self) -> str:
        """Returns a commit of the whole tree on `refs/sitewright/wip`, or HEAD if the tree is clean.

        The tree includes uncommitted and untracked files and those in `kept`, but none over a limit. The agent may be
        running: git works on a copy of the index, so index and worktree do not change. The same tree on the same HEAD
        gives the same commit.
        """
        return self.snapshot().commit

    def snapshot(self) -> Snapshot:
        """Returns what `tree_snapshot` does, and HEAD and the refs beside it."""
        tree, told, _ = self.staging.write_tree_and(ASK, also=self.kept)
        state = parsed(told.decode("utf-8", "surrogateescape"))
        if not state.head:
            self.head()  # raises git's own words
        if tree == state.tree:
            if WIP_REF in state.refs:
                self.git.run("update-ref", "-d", WIP_REF)
            return Snapshot(state.with_ref(WIP_REF, None), state.head)
        made = self.git.script(checkout_scripts.SNAPSHOT_COMMIT, state.head, tree, _SNAPSHOT, WIP_REF)
        commit = must("commit-tree", made).stdout.decode().strip()
        return Snapshot(state.with_ref(WIP_REF, commit), commit)

    def restore_tree(self, snapshot: str) -> None:
        """Puts a snapshot's tree into the worktree as uncommitted edits of HEAD. The worktree must be clean."""
        self.git.run("read-tree", "--reset", "-u", snapshot)
        self.git.run("reset", "--quiet", "--mixed", "HEAD")

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
        # A look at the files costs no process. The agent may have packed the refs.
        loose = guest_files.look(self.site, f".git/{MERGING_REF}") is not None
        if not loose and guest_files.look(self.site, ".git/packed-refs") is None:
            return False
        before = self.resolve(f"{MERGING_REF}^1")
        if before is None:
            if loose:
                # No ref of ours: something of the agent's that has its name.
                self.git.script(f"rm -rf .git/{MERGING_REF}")
            return False
        self.git.script("rm -rf .git/rebase-merge .git/rebase-apply .git/MERGE_HEAD")
        self.git.run("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        self.git.run("reset", "--quiet", "--hard", before)
        self.git.run("clean", "--quiet", "-fd")
        self.git.run("update-ref", "-d", MERGING_REF)
        return True

    def unblock(self) -> None:
        """Removes what git would wait at for ever, such as a fifo in place of .git/config."""
        clear_git_folder(self.site)

    def clear_locks(self) -> None:
        """Removes lock files of a killed git. Only to be called while no child runs."""
        self.git.script(checkout_scripts.CLEAR_LOCKS)

    def run(self, *argv: str, stdin: bytes = b"") -> str:
        """Runs a local git command in the checkout and returns its stdout."""
        return self.git.run(*argv, stdin=stdin)

    def return_to_branch(self) -> str:
        """Moves the agent's commits onto the session's branch, and HEAD too. Returns the commit of HEAD.

        The agent may have detached HEAD, switched branches or stopped within a rebase.
        """
        at, branch = self._position()
        if branch == self.branch and at:
            return at
        self.git.script("rm -rf .git/rebase-merge .git/rebase-apply")
        head, tip = self.head(), self.resolve(f"refs/heads/{self.branch}")
        if tip is not None and not self.is_ancestor(tip, head):
            # No side may be lost. So this merges both, with the tree of the agent's HEAD.
            tree = self.git.run("rev-parse", f"{head}^{{tree}}").strip()
            head = self.git.run("commit-tree", tree, "-p", tip, "-p", head, "-m", "Merge the agent's commits").strip()
        self.git.run("update-ref", f"refs/heads/{self.branch}", head)
        self.git.run("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        return head

    def _position(self, before: str = ":") -> tuple[str, str | None]:
        """Runs shell lines, and returns the commit of HEAD (empty without one) and its branch (None if detached)."""
        said = self.git.script(f"{before}\n{checkout_scripts.POSITION}").stdout.decode("utf-8", "replace")
        head, branch, *_ = (*said.split("\n"), "", "")
        return head, branch.removeprefix("refs/heads/") or None
