"""Carries out a plan: uploads, heals, deletes. Records each change in the PublishState."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from sitewright.publishing.errors import NotRestorable, PublishError
from sitewright.publishing.objects import workers
from sitewright.publishing.objects.s3_retry import is_transient_s3, retry_s3
from sitewright.publishing.objects.upload import Sender
from sitewright.publishing.plan import Heal
from sitewright.publishing.publish_state import PublishState
from sitewright.publishing.site_files import DELETE_BATCH, SentObject, SiteFile, is_html
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
        """Deletes pages first, then the other files: DeleteObjects is not atomic, and no page may outlive its assets."""
        if not keys:
            return
        self.target.guard.verify()
        for pages in (True, False):
            self._delete([key for key in keys if is_html(key) is pages])

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

    def _delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), DELETE_BATCH):
            self.check()
            self.renew()
            remaining = list(keys[start : start + DELETE_BATCH])
            # A key that was in doubt before stays in doubt: an unanswered copy may still be carried out after this delete.
            batch = frozenset(remaining) - self.state.in_doubt
            self.state.in_doubt |= batch
            attempts = 0

            def delete(remaining: list[str] = remaining) -> None:
                nonlocal attempts
                attempts += 1
                self._delete_batch(remaining)

            try:
                retry_s3(delete, self.check)
            except AwsError as error:
                if attempts == 1 and not is_transient_s3(error):
                    self.state.in_doubt -= batch
                raise PublishError.of(self.target.bucket, remaining[0], error) from error
            self.state.in_doubt -= batch

    def _delete_batch(self, remaining: list[str]) -> None:
        """Deletes the keys and removes deleted ones from the list. Raises ClientError, also for a single key that S3 refused."""
        answer = self.target.s3.delete_objects(
            Bucket=self.target.bucket, Delete={"Objects": [{"Key": key} for key in remaining], "Quiet": True}
        )
        failed = {error.get("Key", ""): error for error in answer.get("Errors", [])}
        done = [key for key in remaining if key not in failed]
        remaining[:] = [key for key in remaining if key in failed]
        self.state.record_deleted(done)
        for error in failed.values():
            text = {k: str(error.get(k, "")) for k in ("Code", "Message")}
            raise ClientError({"Error": text}, "DeleteObjects")  # type: ignore[typeddict-item]
