"""The working copy that a workspace keeps between its steps: checkout, checkpoints, background push, build cache."""

import shutil
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.commit_author import CommitAuthor
from sitewright.contracts.names import branch_name
from sitewright.contracts.records import SessionRecord
from sitewright.contracts.steps import LostCheckpoint, StepRequest
from sitewright.contracts.workspace_settings import Sessions
from sitewright.tables.keys import SessionRef
from workspace.build.build_cache import BuildCache
from workspace.build.running.output_folder import outputs_of
from workspace.claim.fence import ClaimFence
from workspace.claim.session import SessionStore
from workspace.credentials.git_credentials import GitCredentials
from workspace.credentials.sign_in import git_credentials
from workspace.errors import GitError, StopReason, WorkspaceError
from workspace.guest.guest_user import Guest
from workspace.lifecycle.interruption import INTERRUPTED_SUBJECT
from workspace.repository.background_push import BackgroundPush
from workspace.repository.checkout import Checkout
from workspace.repository.checkpoints.checkpoint import Checkpointer
from workspace.repository.checkpoints.checkpoint_archive import CheckpointError
from workspace.repository.checkpoints.restore import Restorer
from workspace.repository.commit_messages import wip_message
from workspace.repository.newer_work.other_sessions import OtherSessions
from workspace.repository.newer_work.taking_in import NewerWork
from workspace.system.aws_clients import Clients
from workspace.system.json_log import Log
from workspace.system.paths import Paths
from workspace.system.settings import Settings
from workspace.system.stop import Stop


def make_folders(paths: Paths, guest: Guest) -> None:
    """Makes the folders of a workspace, empty but for the guest's HOME. Raises OSError.

    A root that outlives its workspace, as on the local stack, has another session's files.
    """
    paths.root.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.rmtree(paths.private, ignore_errors=True)
    for folder in (paths.private, paths.scratch):
        folder.mkdir(mode=0o700)
    for folder in (paths.site, paths.guest_tmp, paths.tmp, paths.install):
        guest.remove(folder)
    for folder in (paths.home, paths.guest_tmp, paths.tmp):
        guest.folder(folder)


def _newer_work(
    settings: Settings, clients: Clients, store: SessionStore, checkout: Checkout, log: Log
) -> NewerWork | None:
    if settings.sessions is Sessions.ISOLATED:
        return None

    def read(session_id: str) -> SessionRecord | None:
        return store.sessions.read(SessionRef(settings.client_id, session_id))

    others = OtherSessions(clients, settings.artifacts_bucket, settings.paths, checkout, read, log)
    ca_file = settings.inherited.get("GIT_SSL_CAINFO")
    return NewerWork(checkout, others, store.request.session_id, log, ca_file=ca_file)


@dataclass
class WorkingCopy:
    """One checkout and its helpers. A workspace creates it once and uses it for all of its steps."""

    settings: Settings
    clients: Clients
    credentials: GitCredentials
    author: CommitAuthor
    checkout: Checkout
    checkpointer: Checkpointer
    push: BackgroundPush
    cache: BuildCache
    newer: NewerWork | None
    """None: the site's sessions are isolated."""
    log: Log = field(repr=False)

    @classmethod
    def create(
        cls, settings: Settings, clients: Clients, store: SessionStore, session: SessionRecord, log: Log
    ) -> "WorkingCopy":
        """Creates the empty folders. Nothing is restored yet."""
        paths = settings.paths
        make_folders(paths, settings.guest)
        credentials = git_credentials(settings, clients, log)
        author = settings.commit_author or credentials.author()
        checkout = Checkout.of(
            paths,
            url=settings.repository,
            branch=branch_name(session.chat_thread_id, settings.branch_prefix),
            credentials=credentials,
            author=author,
            guest=settings.guest,
            inherited=settings.inherited,
            log=log,
        )
        checkout.rules.outputs = outputs_of(settings)
        checkpointer = Checkpointer(
            client_id=settings.client_id,
            bucket=settings.artifacts_bucket,
            request=store.request,
            paths=paths,
            checkout=checkout,
            store=store,
            clients=clients,
            log=log,
            current=None,
        )
        cache = BuildCache(settings, clients, session.session_id, log)
        push = BackgroundPush(checkout, log)
        newer = _newer_work(settings, clients, store, checkout, log)
        return cls(settings, clients, credentials, author, checkout, checkpointer, push, cache, newer, log)

    def switch_to(self, request: StepRequest, store: SessionStore, log: Log) -> None:
        """Switches to another step."""
        self.checkpointer.request, self.checkpointer.store, self.checkpointer.log = request, store, log
        self.log = log
        if self.newer is not None:
            self.newer.log = log
        self.credentials.log_to(log)
        self.clients.forget_secrets()
        temporary = (self.settings.paths.guest_tmp, self.settings.paths.tmp)
        self.settings.guest.remove(*temporary)
        for folder in temporary:
            self.settings.guest.folder(folder)

    def intact_head(self) -> str | None:
        """Returns the commit of HEAD, or None if the repository is not usable. The agent may have destroyed it."""
        try:
            self.checkout.unblock()
            return self.checkout.intact(self.checkpointer.base)
        except (GitError, OSError) as error:
            self.log("the checkout is broken, restoring it", level="warning", error=str(error))
            return None

    def restore(self, key: str | None, request: StepRequest, fence: ClaimFence, stop: Stop) -> None:
        """Fills the checkout from the session's checkpoint, or without one from the git host.

        Raises StepFailed, StepStopped, Fenced, botocore's exceptions.
        """
        restorer = self._restorer(stop)
        if self.newer is not None:
            self.newer.forget()
        meta, self.checkpointer.base = None, None
        if key is not None:
            try:
                meta = restorer.restore(key)
            except CheckpointError as error:
                self.log("the checkpoint is damaged, cloning instead", level="error", key=key, reason=str(error))
                # The loss is recorded first: the response must mention it, however the step ends.
                self.checkpointer.store.record("lostCheckpoint", LostCheckpoint(key=key, reason=str(error)[:500]))
        if meta is None:
            restorer.clone()
            if self.newer is not None:
                self.newer.cloned = True
            return
        self.checkpointer.current = key
        self.checkpointer.mark_written(meta)
        if meta.dirty and not meta.settled and meta.command_id != request.command_id:
            commit = self.checkout.commit_all(wip_message(INTERRUPTED_SUBJECT, request.session_id, meta.command_id))
            if commit is not None:
                self.log("edits of the older command committed", commit=commit, olderCommandId=meta.command_id)
                # The checkpoint comes before the push: a repetition of this step must find the same commit.
                self.checkpointer.write(fence)
                self.push.start(commit, fence)
                self.push.settle()

    def repair_repository(self, stop: Stop) -> None:
        """Restores the repository if the agent destroyed it, or its branch if the agent reset it. Logs errors.

        The edited files stay.
        """
        base = self.checkpointer.base
        if base is None:
            return
        try:
            self.checkout.unblock()
            head = self.checkout.intact(base)
            self.checkout.is_dirty()  # a broken index or `core.bare` hides the edits
        except (GitError, OSError) as error:
            damage = str(error)
        else:
            self._keep(base, head)
            return
        self.log("the agent destroyed the repository, restoring it under the files", level="warning", error=damage)
        try:
            with self.checkpointer.paused():
                # An interrupt does not stop the restore: the edits still have to be saved.
                self._restorer(stop.only(StopReason.CLAIM_LOST)).repository(self.checkpointer.current, base)
        except (CheckpointError, WorkspaceError, BotoCoreError, ClientError, OSError) as error:
            self.log("the repository could not be restored", level="error", error=str(error))

    def _keep(self, base: str, head: str) -> None:
        """Puts HEAD back onto a commit that its history lacks, because the agent has reset the branch.

        The files stay, as edits. So an undo is a commit of its own, and the branch contains what it contained.
        """
        try:
            if head == base or self.checkout.is_ancestor(base, head):
                return
            self.log("the agent reset the branch: its files are edits of the commit before", level="warning", base=base)
            with self.checkpointer.paused():
                self.checkout.run("update-ref", "HEAD", base)
        except (GitError, TimeoutError, OSError) as error:
            self.log("the branch could not be put back", level="error", error=str(error))

    def _restorer(self, stop: Stop) -> Restorer:
        bucket = self.settings.artifacts_bucket
        return Restorer(self.clients, bucket, self.settings.paths, self.checkout, stop, self.log)
