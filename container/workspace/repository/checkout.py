"""The checkout: local git of the runner in the session's working copy.

The agent works in the same folder. So HEAD may be detached, a killed git may have left a lock file, and hooks may be
configured: all of it is handled here. `remote` does the network commands.
"""

import contextlib
import hashlib
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workspace.errors import GitError
from workspace.repository.remote import Remote
from workspace.system.processes import run_bounded

WIP_REF = "refs/sitewright/wip"
"""The uncommitted tree of a checkpoint, as a commit on HEAD."""

LOCKFILES = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock")

_SECONDS = 120.0
"""Local git commands end in milliseconds; a bound for a file system that hangs."""


@dataclass
class Checkout:
    """A session's working copy on its branch. All methods raise GitError where git refuses."""

    site: Path
    scratch: Path
    """A folder of the runner's own, outside the checkout."""
    branch: str
    """The session's branch."""
    env: Mapping[str, str] = field(repr=False)
    remote: Remote = field(repr=False)

    @property
    def default_branch(self) -> str:
        """The remote's default branch, as known from the clone."""
        ref = self._git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", check=False).strip()
        if ref:
            return ref.removeprefix("refs/remotes/origin/")
        names = self._lines("for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin")
        for name in ("main", "master", *names):
            if name in names:
                return name
        raise GitError("symbolic-ref", 1, "the repository has no branch")

    def head(self) -> str:
        """The commit that is checked out (40 hex digits)."""
        return self._git("rev-parse", "--verify", "HEAD^{commit}").strip()

    def resolve(self, revision: str) -> str | None:
        """The commit a revision names, or None."""
        found = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False)
        return found.strip() or None

    def must_have(self, commit: str) -> None:
        """Raises GitError if the repository lacks a commit that it had: it is another repository, or in another folder."""
        if not (self.site / ".git").is_dir() or self.resolve(commit) is None:
            raise GitError("rev-parse", 1, f"the repository is not the session's any more: it lacks {commit}")

    def current_branch(self) -> str | None:
        """The branch HEAD is on, or None where it is detached."""
        return self._git("symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip() or None

    def tracking(self) -> str | None:
        """The commit the session's branch has on the remote, as far as known."""
        return self.resolve(f"refs/remotes/origin/{self.branch}")

    def set_tracking(self, branch: str, commit: str) -> None:
        """Notes the commit that a branch of the remote has now."""
        self._git("update-ref", f"refs/remotes/origin/{branch}", commit)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""
        done = run_bounded(
            ["git", "merge-base", "--is-ancestor", older, newer], cwd=self.site, env=self.env, timeout=_SECONDS
        )
        if done.returncode not in {0, 1}:
            raise GitError("merge-base", done.returncode, done.stderr)
        return done.returncode == 0

    def is_dirty(self) -> bool:
        """Whether something is uncommitted, untracked files included, ignored ones not."""
        return bool(self._status())

    def changed_files(self, base: str) -> list[str]:
        """Paths that differ from commit `base`: committed since, uncommitted and untracked; sorted, without ignored
        ones.
        """
        with self._temporary_index() as env:
            tree = self._write_tree(env)
        return self._paths("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, tree)

    def commit_all(self, message: str, *, allow_empty: bool = False) -> str | None:
        """Commits everything uncommitted onto the session's branch; the commit, or None if there was nothing."""
        self.clear_locks()
        self.return_to_branch()
        self._git("add", "--all", "--ignore-errors", check=False)
        unfinished = (self.site / ".git" / "MERGE_HEAD").exists()
        staged = self._code("diff", "--cached", "--quiet", "--no-ext-diff") != 0
        if not staged and not allow_empty and not unfinished:
            # Whatever could not be added (a nested repository without a commit) must not look like nothing to commit.
            self._git("add", "--all")
            return None
        argv = ["commit", "--quiet", "--no-verify", "--cleanup=whitespace", "--allow-empty-message", "-F", "-"]
        self._git(*argv, *(["--allow-empty"] if allow_empty else []), stdin=message.encode("utf-8", "replace"))
        return self.head()

    def tree_snapshot(self) -> str:
        """The whole tree, uncommitted and untracked files included, as a commit on `refs/sitewright/wip`; HEAD if
        clean.

        Works beside a running agent: through a copy of the index, so that index and worktree stay as they are. The same
        tree on the same HEAD gives the same commit.
        """
        head = self.head()
        with self._temporary_index() as env:
            tree = self._write_tree(env)
        if tree == self._git("rev-parse", f"{head}^{{tree}}").strip():
            if self.resolve(WIP_REF):
                self._git("update-ref", "-d", WIP_REF)
            return head
        date = self._git("show", "--no-patch", "--format=%cI", head).strip()
        dated = dict(self.env) | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        commit = self._git("commit-tree", tree, "-p", head, "-m", "Uncommitted edits", env=dated).strip()
        self._git("update-ref", WIP_REF, commit)
        return commit

    def restore_tree(self, snapshot: str) -> None:
        """Puts a snapshot's tree into the worktree as uncommitted edits of HEAD. The worktree must be clean."""
        self._git("read-tree", "--reset", "-u", snapshot)
        self._git("reset", "--quiet", "--mixed", "HEAD")

    def lockfile_sha256(self) -> str | None:
        """Digest of the package manager's lock file in the worktree; None without one."""
        for name in LOCKFILES:
            path = self.site / name
            if path.is_file():
                return hashlib.sha256(path.read_bytes()).hexdigest()
        return None

    def start_branch(self) -> None:
        """Checks the session's branch out: the remote's if it has it, else a new one from the default branch."""
        start = self.tracking() or self.resolve(f"refs/remotes/origin/{self.default_branch}")
        if start is None:
            raise GitError("checkout", 1, "the repository has no commit")
        self._git("checkout", "--quiet", "--no-track", "-B", self.branch, start)

    def rebase(self, onto: str) -> bool:
        """Rebases the session's branch onto a commit; False after a conflict, with everything as before.

        Uncommitted files (a build may rewrite a tracked one) are set aside meanwhile; where they conflict with what
        came in they stay on a hidden ref, which checkpoints keep.
        """
        self.clear_locks()
        self.return_to_branch()
        aside = self.tree_snapshot() if self.is_dirty() else None
        if aside:
            self._git("update-ref", f"refs/sitewright/aside/{aside[:12]}", aside)
            self._git("reset", "--quiet", "--hard")
            self._git("clean", "--quiet", "-fd")
        rebased = self._code("rebase", "--quiet", onto) == 0
        if not rebased:
            self._git("rebase", "--abort", check=False)
        if aside:
            if self._code("cherry-pick", "--no-commit", aside) == 0:
                self._git("update-ref", "-d", f"refs/sitewright/aside/{aside[:12]}")
                self._git("reset", "--quiet", "--mixed", "HEAD")
            else:
                self._git("reset", "--quiet", "--hard")
        return rebased

    def clear_locks(self) -> None:
        """Removes lock files that a killed git left behind. Only while no child runs."""
        git = self.site / ".git"
        for lock in (*git.glob("*.lock"), *(git / "refs").rglob("*.lock")):
            lock.unlink(missing_ok=True)

    def commits_touch(self, base: str, commit: str) -> list[str]:
        """Paths that differ between two commits, sorted."""
        return self._paths("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, commit)

    def run(self, *argv: str, stdin: bytes | None = None) -> str:
        """A local git command in the checkout; its stdout."""
        return self._git(*argv, stdin=stdin)

    def return_to_branch(self) -> None:
        """The agent may have detached HEAD, switched branches or stopped within a rebase: its commits go onto our
        branch.
        """
        if self.current_branch() == self.branch:
            return
        for state in ("rebase-merge", "rebase-apply"):
            shutil.rmtree(self.site / ".git" / state, ignore_errors=True)
        head, tip = self.head(), self.resolve(f"refs/heads/{self.branch}")
        if tip is not None and not self.is_ancestor(tip, head):
            # Neither side may be lost: a merge that has the tree of what the agent left.
            tree = self._git("rev-parse", f"{head}^{{tree}}").strip()
            head = self._git("commit-tree", tree, "-p", tip, "-p", head, "-m", "Merge the agent's commits").strip()
        self._git("update-ref", f"refs/heads/{self.branch}", head)
        self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")

    def _status(self) -> bytes:
        # Optional locks would collide with a git command of a running agent.
        env = dict(self.env) | {"GIT_OPTIONAL_LOCKS": "0"}
        argv = ["git", "status", "--porcelain", "-z", "--untracked-files=normal"]
        done = run_bounded(argv, cwd=self.site, env=env, timeout=_SECONDS)
        if done.returncode != 0:
            raise GitError("status", done.returncode, done.stderr)
        return done.stdout

    @contextlib.contextmanager
    def _temporary_index(self) -> Iterator[dict[str, str]]:
        self.scratch.mkdir(parents=True, exist_ok=True)
        index = self.scratch / f"index-{uuid.uuid4().hex}"
        try:
            # A copy keeps the cached file times: `add` then reads changed files only.
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(self.site / ".git" / "index", index)
            yield dict(self.env) | {"GIT_INDEX_FILE": str(index)}
        finally:
            index.unlink(missing_ok=True)
            index.with_name(index.name + ".lock").unlink(missing_ok=True)

    def _write_tree(self, env: Mapping[str, str]) -> str:
        # A file that vanishes while git looks at it (the agent is at work) is an error to git and none to us.
        self._git("add", "--all", "--ignore-errors", check=False, env=env)
        return self._git("write-tree", env=env).strip()

    def _paths(self, *argv: str) -> list[str]:
        done = run_bounded(["git", *argv], cwd=self.site, env=self.env, timeout=_SECONDS)
        if done.returncode != 0:
            raise GitError(argv[0], done.returncode, done.stderr)
        return sorted(path.decode("utf-8", "replace") for path in done.stdout.split(b"\0") if path)

    def _lines(self, *argv: str) -> list[str]:
        return [line for line in self._git(*argv).splitlines() if line]

    def _code(self, *argv: str) -> int:
        return run_bounded(["git", *argv], cwd=self.site, env=self.env, timeout=_SECONDS).returncode

    def _git(
        self, *argv: str, stdin: bytes | None = None, check: bool = True, env: Mapping[str, str] | None = None
    ) -> str:
        done = run_bounded(["git", *argv], cwd=self.site, env=env or self.env, timeout=_SECONDS, stdin=stdin)
        if check and done.returncode != 0:
            raise GitError(argv[0], done.returncode, done.stderr)
        return done.stdout.decode("utf-8", "surrogateescape")
