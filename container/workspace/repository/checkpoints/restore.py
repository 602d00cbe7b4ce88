"""Fills the checkout from the session's checkpoint, or the first time from the git host."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sitewright.contracts.error_codes import ErrorCode
from workspace.errors import GitError, StepFailed
from workspace.guest.guest_user import Guest
from workspace.repository.checkout import Checkout
from workspace.repository.checkpoints import checkpoint_archive
from workspace.repository.checkpoints.checkpoint_archive import CheckpointError, CheckpointMeta
from workspace.repository.checkpoints.transcript_files import unpack_transcripts
from workspace.repository.git_errors import BundleVerdict, classify_bundle
from workspace.repository.objects.transport import must
from workspace.repository.remote_retry import retry_remote
from workspace.system.aws_clients import Clients
from workspace.system.paths import Paths
from workspace.system.stop import Stop

CLONE_SECONDS = 600.0
"""The limit of a clone. A clone of a big repository takes minutes."""

RETRY_PAUSES = (0.2, 1.0)
"""The pauses in seconds before git reads a refused bundle again."""

BUNDLE_SECONDS = 300.0
"""The limit for unpacking the history. 100 MB take some 2 s."""

DOWN_SECONDS = 60.0
"""How long the first clone is retried while the git host does not answer."""


@dataclass(frozen=True)
class Restorer:
    """Fills an empty checkout, or restores its repository."""

    clients: Clients
    bucket: str
    paths: Paths
    checkout: Checkout
    stop: Stop
    log: Callable[..., None] = field(repr=False)

    def restore(self, key: str, *, transcripts: bool = True) -> CheckpointMeta:
        """Restores a checkpoint with its uncommitted edits, and with `transcripts` its conversation.

        Raises CheckpointError for a damaged checkpoint. After the other errors the checkpoint and its edits are still
        usable: botocore's exceptions (the bucket does not answer), StepFailed (git cannot work on this machine),
        StepStopped.
        """
        unpacked = self.paths.scratch / "restore"
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        try:
            meta = checkpoint_archive.download(self.clients.s3, self.bucket, key, unpacked)
            self._build_repository_with_retries(unpacked / checkpoint_archive.BUNDLE, meta)
            if transcripts:
                self._put_transcripts(unpacked / checkpoint_archive.TRANSCRIPTS)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        return meta

    def repository(self, key: str | None, base: str) -> None:
        """Puts the checkpoint's repository under the present files; without `key` the git host's at commit `base`.

        Files and conversation do not change. So the files appear as edits of that repository's HEAD. Raises the errors
        of `restore` and `clone`, GitError and OSError. After an error nothing is changed.
        """
        site, aside, made = self.paths.site, self.paths.root / "site-aside", self.paths.root / "site-made"
        for folder in (aside, made):
            self._guest.remove(folder)
        site.rename(aside)
        try:
            if key is not None:
                self.restore(key, transcripts=False)
            else:
                self.clone()
                # The host's branch may have newer commits. On top of those the present files would revert them.
                self.checkout.run("reset", "--quiet", "--hard", base)
            swap = 'rm -rf "$1/.git" && mv "$2/.git" "$1/.git"'
            must("mv", self.checkout.git.script(swap, aside, site))
        finally:
            # Moved, not deleted: after a partial deletion the files could not be restored.
            if site.exists():
                site.rename(made)
            aside.rename(site)
            with contextlib.suppress(OSError):
                self._guest.remove(made)

    def clone(self) -> None:
        """Clones the repository and checks out the session's branch.

        Raises StepFailed (GIT_AUTH_FAILED, GIT_UNAVAILABLE, REPOSITORY_EMPTY), StepStopped.
        """

        def attempt(_seconds: float) -> None:
            self.checkout.clone(timeout=CLONE_SECONDS, poll=self.stop.check)

        retry_remote(attempt, within=DOWN_SECONDS, sleep=self.stop.sleep, log=self.log)
        try:
            self.checkout.start_branch()
        except GitError as error:
            if not self.checkout.run("for-each-ref", "--count=1", "refs/remotes/origin").strip():
                message = f"The repository {self.checkout.remote.url} has no commit."
                raise StepFailed(ErrorCode.REPOSITORY_EMPTY, message) from error
            raise
        self.checkout.rules.write()

    def _build_repository_with_retries(self, bundle: Path, meta: CheckpointMeta) -> None:
        """Builds the repository from the bundle. Repeats a failed attempt unless the bundle is damaged.

        Raises CheckpointError if the bundle is damaged, or after the last repetition. Raises StepFailed for a
        fault of the machine.
        """
        for pause in (*RETRY_PAUSES, None):
            try:
                self._build_repository(bundle, meta)
            except (GitError, TimeoutError) as error:
                verdict = BundleVerdict.MACHINE if isinstance(error, TimeoutError) else classify_bundle(error.stderr)
                if verdict is not BundleVerdict.DAMAGED and pause is not None:
                    self.log("restoring the checkpoint failed, trying again", level="warning", error=str(error))
                    self.stop.sleep(pause)
                    continue
                self._clear()
                if verdict is BundleVerdict.MACHINE:
                    message = (
                        f"The session's saved state could not be unpacked, it is kept for the next command: {error}"
                    )
                    raise StepFailed(ErrorCode.INTERNAL, message) from error
                raise CheckpointError(f"its bundle cannot be read: {error}") from error
            else:
                return

    def _build_repository(self, bundle: Path, meta: CheckpointMeta) -> None:
        git = self.checkout.run
        self.checkout.begin()
        self.checkout.remote.exchange.load_bundle(bundle, timeout=BUNDLE_SECONDS, poll=self.stop.check)
        self.checkout.set_default_branch(meta.default_branch)
        if meta.branch is not None:
            git("symbolic-ref", "HEAD", f"refs/heads/{meta.branch}")
        else:
            git("update-ref", "--no-deref", "HEAD", meta.head)
        if meta.snapshot is not None:
            self.checkout.restore_tree(meta.snapshot)
        else:
            git("reset", "--quiet", "--hard")
        if self.checkout.head() != meta.head:
            raise CheckpointError("the bundle's HEAD is not the one in meta.json")
        self.checkout.rules.write()
        self.checkout.kept = meta.kept

    def _put_transcripts(self, folder: Path) -> None:
        if folder.is_dir():
            unpack_transcripts(folder, self.paths.home, self.checkout.git)

    def _clear(self) -> None:
        self._guest.remove(self.paths.site)

    @property
    def _guest(self) -> Guest:
        return self.checkout.git.guest
