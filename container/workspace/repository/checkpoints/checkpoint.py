"""Writes checkpoints, from which another workspace can go on.

Each checkpoint has its own key. After the upload a write on the condition of the claim sets the session's pointer. So a
workspace without the claim can neither replace a newer checkpoint nor leave a partial one.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.expiry import CHECKPOINT, tagging
from sitewright.contracts.names import session_prefix
from sitewright.contracts.steps import StepRequest
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.errors import Fenced, WorkspaceError
from workspace.repository.checkout import Checkout
from workspace.repository.checkpoints import checkpoint_archive, transcript_files
from workspace.repository.checkpoints.checkpoint_archive import CheckpointMeta
from workspace.system.aws_clients import Clients
from workspace.system.paths import Paths

PERIOD_SECONDS = 30.0
"""The limit of the agent's work that a `kill -9` may lose."""

BUNDLE_SECONDS = 300.0
"""The limit for packing the history. 100 MB take some 2 s."""

_CHECK_SECONDS = 0.1


@dataclass
class Checkpointer:
    """The checkpoints of one workspace. Safe to use from several threads."""

    client_id: str
    bucket: str
    request: StepRequest
    paths: Paths
    checkout: Checkout
    store: SessionStore
    clients: Clients
    log: Callable[..., None] = field(repr=False)
    current: str | None
    """The key of the newest checkpoint; None without a readable one."""
    base: str | None = None
    """HEAD when the step began. A repository without this commit is not the session's, and replaces no checkpoint."""
    _written: str | None = None
    _saved_head: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def mark_written(self, meta: CheckpointMeta) -> None:
        """Notes that the working copy equals a checkpoint, so that it is not written again."""
        transcripts = transcript_files.saved_files(self.paths.home)
        self._written = checkpoint_archive.fingerprint(self.checkout.state().own_refs, meta, transcripts)
        self._saved_head = meta.head

    def write(self, fence: ClaimFence, *, settled: bool = False) -> bool:
        """Writes a checkpoint if the working copy changed since the last one. Returns whether it did.

        Raises Fenced, GitError, botocore's exceptions.
        """
        with self._lock:
            meta, refs = self._meta(settled)
            state = checkpoint_archive.fingerprint(refs, meta, transcript_files.saved_files(self.paths.home))
            if state == self._written:
                return False
            fence.verify()
            key = f"{session_prefix(self.client_id, self.request.session_id)}checkpoints/{uuid.uuid4()}.tar.zst"
            size = self._upload(key, meta)
            try:
                self.store.set_checkpoint(key, meta.conversation_id)
            except Fenced:
                self._delete(key)
                raise
            previous, self.current, self._written, self._saved_head = self.current, key, state, meta.head
            if previous is not None:
                self._delete(previous)
            self.log("checkpoint written", key=key, bytes=size, dirty=meta.dirty, head=meta.head)
            return True

    def save(self, commit: str, fence: ClaimFence) -> None:
        """Writes a checkpoint unless the newest has HEAD's commit. Waits for one under way. Logs a failure."""
        with self._lock:
            saved = self._saved_head == commit
        if not saved:
            self._try(fence)

    @contextlib.contextmanager
    def paused(self, check: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Blocks checkpoints during the block. Waits for one under way; `check` may raise to give up."""
        while not self._lock.acquire(timeout=_CHECK_SECONDS):
            check()
        try:
            yield
        finally:
            self._lock.release()

    def write_in_background(self, fence: ClaimFence) -> None:
        """Begins a checkpoint while the step goes on.

        The `write` at the step's end waits for it, or repeats it after a failure.
        """
        threading.Thread(target=self._try, args=(fence,), name="checkpoint", daemon=True).start()

    @contextlib.contextmanager
    def periodically(self, fence: ClaimFence, *, every: float = PERIOD_SECONDS) -> Iterator[None]:
        """Writes a checkpoint every `every` seconds during the block.

        Logs a failure; the next checkpoint tries again.
        """
        ended = threading.Event()

        def loop() -> None:
            while not ended.wait(every):
                self._try(fence)

        thread = threading.Thread(target=loop, name="checkpoints", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _try(self, fence: ClaimFence) -> None:
        try:
            self.write(fence)
        except (WorkspaceError, ClientError, BotoCoreError, OSError) as error:
            self.log("checkpoint failed, the next one tries again", level="warning", error=str(error))

    def _meta(self, settled: bool) -> tuple[CheckpointMeta, str]:
        """Returns the description, and the refs. The remote's do not count: a push alone is no reason for an upload."""
        snapshot = self.checkout.snapshot()
        state = snapshot.state
        meta = CheckpointMeta(
            generation=self.request.generation,
            command_id=self.request.command_id,
            session_id=self.request.session_id,
            settled=settled,
            head=state.head,
            branch=state.branch,
            default_branch=state.default_branch,
            snapshot=None if snapshot.commit == state.head else snapshot.commit,
            conversation_id=transcript_files.newest_conversation(self.paths.home),
            kept=self.checkout.kept,
        )
        return meta, state.own_refs

    def _upload(self, key: str, meta: CheckpointMeta) -> int:
        self.paths.scratch.mkdir(parents=True, exist_ok=True)
        bundle, packed = self.paths.scratch / "checkpoint.bundle", self.paths.scratch / "checkpoint.tar.zst"
        try:
            self.checkout.remote.exchange.save_bundle(bundle, timeout=BUNDLE_SECONDS)
            if self.base is not None:
                # The check comes last, because the agent may replace the repository at any moment.
                self.checkout.must_have(self.base)
            checkpoint_archive.write(packed, bundle=bundle, home=self.paths.home, meta=meta)
            size = packed.stat().st_size
            with packed.open("rb") as body:
                tags = tagging(CHECKPOINT)
                self.clients.s3.put_object(Bucket=self.bucket, Key=key, Body=body, Tagging=tags)
        finally:
            bundle.unlink(missing_ok=True)
            packed.unlink(missing_ok=True)
        return size

    def _delete(self, key: str) -> None:
        try:
            self.clients.s3.delete_object(Bucket=self.bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            self.log("an old checkpoint stays", level="warning", key=key, error=str(error))
