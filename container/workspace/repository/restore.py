"""Getting the checkout back: from the session's checkpoint, or from the git host the first time."""

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode
from workspace.claim.fence import ClaimFence
from workspace.errors import Fenced, GitError, StepFailed, WorkspaceError
from workspace.repository import checkpoint_archive
from workspace.repository.checkout import Checkout
from workspace.repository.checkpoint_archive import CheckpointError, Meta
from workspace.repository.git_errors import Verdict, of_bundle
from workspace.repository.remote_retry import reach
from workspace.system.aws_clients import Clients
from workspace.system.paths import Paths
from workspace.system.stop import Stop

CLONE_SECONDS = 600.0
"""A clone of a big repository may take minutes."""

BACKGROUND_SECONDS = 60.0
"""How long a WIP commit's push may take beside the next command's work."""

RETRY_PAUSES = (0.2, 1.0)
"""Before a checkpoint that git did not take is tried again (seconds)."""

DOWN_SECONDS = 60.0
"""How long a git host that does not answer is tried again before the first clone."""


@dataclass(frozen=True)
class Restorer:
    """Fills an empty checkout."""

    clients: Clients
    bucket: str
    paths: Paths
    checkout: Checkout
    stop: Stop
    log: Callable[..., None] = field(repr=False)

    def restore(self, key: str, *, transcripts: bool = True) -> Meta:
        """Restores a checkpoint with its uncommitted edits, and the conversation unless the one at hand is newer.

        Raises CheckpointError for one that is damaged. Where nothing is wrong with the checkpoint, going on without it
        would leave the edits in it behind: raises botocore's exceptions for a bucket that does not answer, StepFailed
        for a machine on which git cannot work, StepStopped.
        """
        unpacked = self.paths.tmp / "restore"
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        try:
            meta = self._unpack(key, unpacked)
            self._build_repository_patiently(unpacked / checkpoint_archive.BUNDLE, meta)
            if transcripts:
                self._put_transcripts(unpacked / checkpoint_archive.TRANSCRIPTS)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        return meta

    def repository(self, key: str | None, base: str) -> None:
        """Puts the repository of a checkpoint, or without one the git host's at commit `base`, under the files that are there.

        They stay as they are, and so are edits of that repository's HEAD; so does the conversation. Raises what `restore`
        and `clone` raise, GitError and OSError, and then nothing was changed.
        """
        site, aside, made = self.paths.site, self.paths.tmp / "aside", self.paths.tmp / "made"
        for folder in (aside, made):
            shutil.rmtree(folder, ignore_errors=True)
        self.paths.tmp.mkdir(exist_ok=True)
        site.rename(aside)
        try:
            if key is not None:
                self.restore(key, transcripts=False)
            else:
                self.clone()
                # The host's branch may be further by now: the files would take back what others did.
                self.checkout.run("reset", "--quiet", "--hard", base)
            _remove(aside / ".git")
            (site / ".git").rename(aside / ".git")
        finally:
            # Not deleted, which may be done by half: then the files could not come back.
            if site.exists():
                site.rename(made)
            aside.rename(site)
            shutil.rmtree(made, ignore_errors=True)

    def clone(self) -> None:
        """Clones the repository and checks the session's branch out.

        Raises StepFailed (GIT_AUTH_FAILED, GIT_UNAVAILABLE, REPOSITORY_EMPTY), StepStopped.
        """

        def attempt(_seconds: float) -> None:
            self._clear()
            self.checkout.transport.clone(timeout=CLONE_SECONDS, poll=self.stop.check)

        reach(attempt, within=DOWN_SECONDS, sleep=self.stop.sleep, log=self.log)
        try:
            self.checkout.start_branch()
        except GitError as error:
            if not self.checkout.run("for-each-ref", "--count=1", "refs/remotes/origin").strip():
                message = f"The repository {self.checkout.transport.url} has no commit."
                raise StepFailed(ErrorCode.REPOSITORY_EMPTY, message) from error
            raise

    def _unpack(self, key: str, into: Path) -> Meta:
        try:
            body = self.clients.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        except self.clients.s3.exceptions.NoSuchKey as error:
            raise CheckpointError("the object is gone") from error
        # The stream's own read errors (a connection that breaks) are the network's, not the archive's.
        packed = into / "archive"
        with packed.open("wb") as file:
            for chunk in body.iter_chunks(1 << 20):
                file.write(chunk)
        with packed.open("rb") as file:
            return checkpoint_archive.read(file, into)

    def _build_repository_patiently(self, bundle: Path, meta: Meta) -> None:
        """Raises CheckpointError if git does not take the bundle: at once, or after some repetition where the words
        leave it open; StepFailed for what is no fault of the bundle.
        """
        for pause in (*RETRY_PAUSES, None):
            try:
                self._build_repository(bundle, meta)
            except (GitError, TimeoutError) as error:
                verdict = Verdict.MACHINE if isinstance(error, TimeoutError) else of_bundle(error.stderr)
                if verdict is not Verdict.DAMAGED and pause is not None:
                    self.log("restoring the checkpoint failed, trying again", level="warning", error=str(error))
                    self.stop.sleep(pause)
                    continue
                self._clear()
                if verdict is Verdict.MACHINE:
                    message = (
                        f"The session's saved state could not be unpacked, it is kept for the next command: {error}"
                    )
                    raise StepFailed(ErrorCode.INTERNAL, message) from error
                raise CheckpointError(f"its bundle cannot be read: {error}") from error
            else:
                return

    def _build_repository(self, bundle: Path, meta: Meta) -> None:
        site, git = self.paths.site, self.checkout.run
        self._clear()
        site.mkdir(parents=True)
        git("init", "--quiet", "--template=", f"--initial-branch={self.checkout.branch}")
        git("config", "remote.origin.url", self.checkout.transport.url)
        git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        git("fetch", "--quiet", "--no-tags", "--update-head-ok", str(bundle), "+refs/*:refs/*")
        git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{meta.default_branch}")
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

    def _put_transcripts(self, folder: Path) -> None:
        if folder.is_dir():
            shutil.copytree(folder, checkpoint_archive.transcripts_folder(self.paths.home), dirs_exist_ok=True)

    def _clear(self) -> None:
        shutil.rmtree(self.paths.site, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def trailers(session_id: str, command_id: str) -> str:
    """The end of every commit message of ours."""
    return f"Session-Id: {session_id}\nCommand-Id: {command_id}\n"


def wip_message(subject: str, session_id: str, command_id: str) -> str:
    """The message of a commit that saves unfinished work."""
    return f"{subject}\n\n{trailers(session_id, command_id)}"


class BackgroundPush:
    """Pushes WIP commits beside the steps, one after the other; a failure is logged, the next step's own push repeats it."""

    def __init__(self, checkout: Checkout, log: Callable[..., None]) -> None:
        self._checkout = checkout
        self._log = log
        self._thread: threading.Thread | None = None
        self._cancelled = False

    @property
    def busy(self) -> bool:
        """Whether a push is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, commit: str, fence: ClaimFence, ended: Callable[[bool], None] = lambda _: None) -> None:
        """Begins, after the push before; `ended` is called with whether the remote has the commit."""
        arguments = (commit, fence.for_saving(), ended, self._thread)
        self._thread = threading.Thread(target=self._run, args=arguments, name="wip-push", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the end; to be called before the step pushes itself."""
        if self._thread is not None:
            self._thread.join(timeout)

    def cancel(self) -> None:
        """Ends the push if it still runs: it must not outlive the claim."""
        self._cancelled = True
        self.join(5.0)

    def _run(
        self, commit: str, fence: ClaimFence, ended: Callable[[bool], None], before: threading.Thread | None
    ) -> None:
        if before is not None:
            before.join()
        ended(self._push(commit, fence))

    def _push(self, commit: str, fence: ClaimFence) -> bool:
        def poll() -> None:
            if self._cancelled:
                raise Fenced("the workspace ends")
            fence.check_stop()

        branch = self._checkout.branch
        try:
            fence.verify()
            self._checkout.transport.push(commit, branch, timeout=BACKGROUND_SECONDS, poll=poll)
            self._checkout.set_tracking(branch, commit)
        except (WorkspaceError, TimeoutError, OSError, ClientError, BotoCoreError) as error:
            self._log("WIP commit not pushed, the next push takes it along", level="warning", error=str(error))
            return False
        self._log("WIP commit of the older command pushed", commit=commit, branch=branch)
        return True
