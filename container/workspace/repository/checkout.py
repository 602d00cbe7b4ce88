"""The checkout: the runner's local git commands in the session's working copy.

The agent works in the same folder. So HEAD may be detached, a killed git may have left a lock file, and hooks may be
configured. This module handles all of these. `remote` does the network commands.
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
"""The limit of a local git command, which usually takes milliseconds. A file system may hang."""


@dataclass
class Checkout:
    """A session's checkout on its branch. All methods raise GitError if git fails."""

    site: Path
    scratch: Path
    """The runner's own folder, outside the checkout."""
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
        """Returns the commit of HEAD (40 hex digits)."""
        return self._git("rev-parse", "--verify", "HEAD^{commit}").strip()

    def resolve(self, revision: str) -> str | None:
        """Returns the commit of a revision, or None."""
        found = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False)
        return found.strip() or None

    def must_have(self, commit: str) -> None:
        """Raises GitError if the repository lacks a commit that it had. Then it was replaced or moved."""
        if not (self.site / ".git").is_dir() or self.resolve(commit) is None:
            raise GitError("rev-parse", 1, f"the repository is not the session's any more: it lacks {commit}")

    def current_branch(self) -> str | None:
        """Returns the branch of HEAD, or None if HEAD is detached."""
        return self._git("symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip() or None

    def tracking(self) -> str | None:
        """Returns the last known commit of the session's branch on the remote."""
        return self.resolve(f"refs/remotes/origin/{self.branch}")

    def set_tracking(self, branch: str, commit: str) -> None:
        """Notes the present commit of a remote branch."""
        self._git("update-ref", f"refs/remotes/origin/{branch}", commit)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Returns whether `newer` contains `older`."""
        done = run_bounded(
            ["git", "merge-base", "--is-ancestor", older, newer], cwd=self.site, env=self.env, timeout=_SECONDS
        )
        if done.returncode not in {0, 1}:
            raise GitError("merge-base", done.returncode, done.stderr)
        return done.returncode == 0

    def is_dirty(self) -> bool:
        """Returns whether there are uncommitted changes. Untracked files count, ignored files do not."""
        return bool(self._status())

    def changed_files(self, base: str) -> list[str]:
        """Returns the sorted paths that differ from commit `base`.

        Includes committed, uncommitted and untracked files, but no ignored ones.
        """
        with self._temporary_index() as env:
            tree = self._write_tree(env)
        return self._paths("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, tree)

    def commit_all(self, message: str, *, allow_empty: bool = False) -> str | None:
        """Commits all changes onto the session's branch. Returns the commit, or None without changes."""
        self.clear_locks()
        self.return_to_branch()
        self._git("add", "--all", "--ignore-errors", check=False)
        unfinished = (self.site / ".git" / "MERGE_HEAD").exists()
        staged = self._code("diff", "--cached", "--quiet", "--no-ext-diff") != 0
        if not staged and not allow_empty and not unfinished:
            # This raises if a file cannot be added (a nested repository without a commit). Such a file is not "no change".
            self._git("add", "--all")
            return None
        argv = ["commit", "--quiet", "--no-verify", "--cleanup=whitespace", "--allow-empty-message", "-F", "-"]
        self._git(*argv, *(["--allow-empty"] if allow_empty else []), stdin=message.encode("utf-8", "replace"))
        return self.head()

    def tree_snapshot(self) -> str:
        """Returns a commit of the whole tree on `refs/sitewright/wip`, or HEAD if the tree is clean.

        The tree includes uncommitted and untracked files. The agent may be running: git works on a copy of the index,
        so index and worktree do not change. The same tree on the same HEAD gives the same commit.
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
        """Returns the digest of the package manager's lock file in the worktree; None without a lock file."""
        for name in LOCKFILES:
            path = self.site / name
            if path.is_file():
                return hashlib.sha256(path.read_bytes()).hexdigest()
        return None

    def start_branch(self) -> None:
        """Checks out the session's branch: the remote's, or a new branch from the default branch."""
        start = self.tracking() or self.resolve(f"refs/remotes/origin/{self.default_branch}")
        if start is None:
            raise GitError("checkout", 1, "the repository has no commit")
        self._git("checkout", "--quiet", "--no-track", "-B", self.branch, start)

    def rebase(self, onto: str) -> bool:
        """Rebases the session's branch onto a commit. After a conflict it restores the branch and returns False.

        A build may have rewritten a tracked file. Uncommitted changes are set aside during the rebase. If they conflict
        with the new commits, they stay on a hidden ref, which checkpoints keep.
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
        """Removes lock files of a killed git. Only to be called while no child runs."""
        git = self.site / ".git"
        for lock in (*git.glob("*.lock"), *(git / "refs").rglob("*.lock")):
            lock.unlink(missing_ok=True)

    def commits_touch(self, base: str, commit: str) -> list[str]:
        """Returns the sorted paths that differ between two commits."""
        return self._paths("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, commit)

    def run(self, *argv: str, stdin: bytes | None = None) -> str:
        """Runs a local git command in the checkout and returns its stdout."""
        return self._git(*argv, stdin=stdin)

    def return_to_branch(self) -> None:
        """Moves the agent's commits onto the session's branch, and HEAD too.

        The agent may have detached HEAD, switched branches or stopped within a rebase.
        """
        if self.current_branch() == self.branch:
            return
        for state in ("rebase-merge", "rebase-apply"):
            shutil.rmtree(self.site / ".git" / state, ignore_errors=True)
        head, tip = self.head(), self.resolve(f"refs/heads/{self.branch}")
        if tip is not None and not self.is_ancestor(tip, head):
            # No side may be lost. So this merges both, with the tree of the agent's HEAD.
            tree = self._git("rev-parse", f"{head}^{{tree}}").strip()
            head = self._git("commit-tree", tree, "-p", tip, "-p", head, "-m", "Merge the agent's commits").strip()
        self._git("update-ref", f"refs/heads/{self.branch}", head)
        self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")

    def _status(self) -> bytes:
        # Optional locks would collide with git commands of the running agent.
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
            # The copy keeps the cached file times, so `add` reads only changed files.
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(self.site / ".git" / "index", index)
            yield dict(self.env) | {"GIT_INDEX_FILE": str(index)}
        finally:
            index.unlink(missing_ok=True)
            index.with_name(index.name + ".lock").unlink(missing_ok=True)

    def _write_tree(self, env: Mapping[str, str]) -> str:
        # The agent may delete a file while git reads it. Git reports an error, which does not matter here.
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
