"""Carries out a plan: uploads, heals, deletes. Records each change in the PublishState. Reverts to an older deployment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from sitewright.publishing.errors import LeaseUnavailable, NotRestorable, PublishError, RevertFailed
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.objects import deletion, workers
from sitewright.publishing.objects.s3_retry import is_transient_s3, retry_s3
from sitewright.publishing.objects.upload import Sender
from sitewright.publishing.plan import Heal, make_plan
from sitewright.publishing.publish_state import PublishState
from sitewright.publishing.site_files import SentObject, SiteFile, may_be_page, stored_files
from sitewright.publishing.target import PublishTarget
from sitewright.retry import AwsError


@dataclass(frozen=True)
class Applier:
    """Changes the bucket for one publish, under its lease. Methods raise PublishError, and what the callbacks raise."""

    target: PublishTarget
    state: PublishState
    check: Callable[[], None]
    """Called before each request, in any thread."""
    renew: Callable[[], None]
    """Called about every second, in the caller's thread; renews the lease when it is time."""

    def send(self, phases: Sequence[Sequence[SiteFile]], *, tolerate_missing: bool = False) -> None:
        """Sends one phase after the other.

        Raises NotRestorable for a version that is not stored any more; with `tolerate_missing`, records it as missing instead.
        """
        with Sender(self.target, self.check) as sender:

            def send(file: SiteFile) -> None:
                try:
                    self.state.record_upload(file, self._send(file, sender))
                except NotRestorable:
                    if not tolerate_missing:
                        raise
                    self.state.missing.append(file.key)

            for phase in phases:
                workers.for_each(phase, send, self.renew)

    def heal(self, heals: Sequence[Heal]) -> None:
        """Restores assets of older pages whose versions are still stored."""
        with Sender(self.target, self.check) as sender:
            workers.for_each(heals, lambda heal: self._heal(heal, sender), self.renew)

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes pages first, then the other files: DeleteObjects is not atomic, and no page may outlive its assets.

        A key that S3 refuses to delete does not keep the others: all are tried before the PublishError for the first one.
        """
        if not keys:
            return
        self.target.guard.verify()
        refused: list[tuple[str, Exception]] = []
        for pages in (True, False):
            for batch in deletion.batches([key for key in keys if may_be_page(key) is pages]):
                self.check()
                self.renew()
                refused += self._delete_batch(batch)
        if refused:
            key, error = refused[0]
            raise PublishError.of(self.target.bucket, key, error) from error

    def _heal(self, heal: Heal, sender: Sender) -> None:
        try:
            sent = self._send(heal.file, sender)
        except PublishError as error:
            if not error.is_final:
                raise
            # The version expired or was deleted. No page of this deployment needs it, so the publish goes on.
            self.target.log("an asset of older pages is lost", level="warning", key=heal.file.key, error=str(error))
            self.state.record_lost(heal)
        else:
            self.state.record_healed(heal, sent)

    def _send(self, file: SiteFile, sender: Sender) -> SentObject:
        # The key is in doubt before the request: an interrupted publish does not wait for requests under way.
        in_doubt, certain_before = self.state.in_doubt, file.key not in self.state.in_doubt
        in_doubt.add(file.key)
        try:
            sent = sender.send(file)
        except BaseException as error:
            refused = isinstance(error, PublishError) and error.is_final and sender.attempts <= 1
            if certain_before and (refused or isinstance(error, NotRestorable) or not sender.attempts):
                in_doubt.discard(file.key)
            raise
        if certain_before:
            in_doubt.discard(file.key)
        return sent

    def _delete_batch(self, keys: Sequence[str]) -> list[tuple[str, Exception]]:
        """Deletes one batch and returns the keys that S3 refuses for good, with its answers."""
        remaining = list(keys)
        # A key that was in doubt before stays in doubt: an unanswered copy may still be carried out after this delete.
        batch = frozenset(remaining) - self.state.in_doubt
        self.state.in_doubt |= batch
        attempts, refused = 0, list[tuple[str, Exception]]()

        def done(key: str) -> None:
            remaining.remove(key)
            self.state.record_deleted([key])

        def delete() -> None:
            nonlocal attempts
            attempts += 1
            for key, error in deletion.delete(self.target, tuple(remaining), done):
                if is_transient_s3(error):
                    raise error
                remaining.remove(key)
                refused.append((key, error))

        try:
            if remaining:
                retry_s3(delete, self.check)
        except AwsError as error:
            if is_transient_s3(error) or not isinstance(error, ClientError):
                raise PublishError.of(self.target.bucket, remaining[0], error) from error
            if attempts == 1:
                self.state.in_doubt -= batch
            return [*refused, *((key, error) for key in remaining)]
        self.state.in_doubt -= batch
        return refused


def revert(applier: Applier, before: Manifest, now: Manifest, error: NotRestorable) -> bool:
    """Makes the site equal to an older deployment again, and notes in `error` what is not stored any more.

    Args:
        applier: of the publish that failed.
        before: the older deployment.
        now: what is live; changed by this.
        error: why the publish failed.

    Returns False if the site has files of both. Raises RevertFailed, LeaseUnavailable, PublishStopped.
    """
    done = applier.state
    now.files.update(done.doubted())
    plan = make_plan(stored_files(before), now, None, now.created_at)
    try:
        applier.send(plan.phases, tolerate_missing=True)
        error.missing = tuple(sorted(done.missing))
        if any(key in done.live for key in done.missing):
            # Under that key the rollback's file stays live, which may load files that would be deleted now.
            return False
        applier.delete(plan.deletes)
    except LeaseUnavailable:
        raise
    except PublishError as fault:
        text = f"{str(error).rstrip('.')}; what was live before could not be put back: {fault}"
        failed = RevertFailed(fault.bucket, fault.key, fault.code, text)
        failed.before = before.deployment_id
        raise failed from fault
    done.record_settled(plan)
    return True
