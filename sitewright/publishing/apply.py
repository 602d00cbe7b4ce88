"""Does what a plan says: sends, heals, deletes. What came of it is noted in the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from sitewright.publishing.errors import NotRestorable, PublishError, patiently
from sitewright.publishing.objects import workers
from sitewright.publishing.objects.upload import Sender
from sitewright.publishing.plan import Heal
from sitewright.publishing.publish_state import Ledger
from sitewright.publishing.site_files import Sent, SiteFile, is_html
from sitewright.publishing.target import Site
from sitewright.retry import AwsError, is_transient

_DELETE_BATCH = 1000
"""DeleteObjects takes that many keys at most."""


@dataclass(frozen=True)
class Applier:
    """One publish's, while it holds the site. Its methods raise PublishError, and what `check` and `renew` raise."""

    site: Site
    ledger: Ledger
    check: Callable[[], None]
    """Called before each request, in any thread."""
    renew: Callable[[], None]
    """Called every now and then, in this thread: keeps the site held."""

    def send(self, phases: Sequence[Sequence[SiteFile]], *, what_is_there: bool = False) -> None:
        """One phase after the other; with `what_is_there`, notes older versions that are not stored any more as missing.

        Raises NotRestorable if there is one otherwise.
        """
        with Sender(self.site, self.check) as sender:

            def send(file: SiteFile) -> None:
                try:
                    self.ledger.put(file, self._sent(file, sender))
                except NotRestorable:
                    if not what_is_there:
                        raise
                    self.ledger.missing.append(file.key)

            for phase in phases:
                workers.for_each(phase, send, self.renew)

    def heal(self, heals: Sequence[Heal]) -> None:
        """Brings assets of older pages back, as far as they are stored."""
        with Sender(self.site, self.check) as sender:
            workers.for_each(heals, lambda heal: self._heal(heal, sender), self.renew)

    def delete(self, keys: Sequence[str]) -> None:
        """Pages before the rest: DeleteObjects is not atomic, and no page may outlive what it loads."""
        if not keys:
            return
        self.site.guard.verify()
        for wanted in (True, False):
            self._delete([key for key in keys if is_html(key) is wanted])

    def _heal(self, heal: Heal, sender: Sender) -> None:
        try:
            sent = self._sent(heal.file, sender)
        except PublishError as error:
            if not error.is_final:
                raise
            # Its version expired, or was deleted too. No page needs it that is published now: no reason to fail.
            self.site.log("an asset of older pages is lost", level="warning", key=heal.file.key, error=str(error))
            self.ledger.not_healed(heal)
        else:
            self.ledger.healed(heal, sent)

    def _sent(self, file: SiteFile, sender: Sender) -> Sent:
        # In doubt from the beginning: who is interrupted does not wait for what is under way.
        doubtful, known = self.ledger.doubtful, file.key not in self.ledger.doubtful
        doubtful.add(file.key)
        try:
            sent = sender.send(file)
        except BaseException as error:
            refused = isinstance(error, PublishError) and error.is_final and sender.attempts <= 1
            if known and (refused or isinstance(error, NotRestorable) or not sender.attempts):
                doubtful.discard(file.key)
            raise
        if known:
            doubtful.discard(file.key)
        return sent

    def _delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _DELETE_BATCH):
            self.check()
            self.renew()
            left = list(keys[start : start + _DELETE_BATCH])
            # A copy of one of them that got no answer stays in doubt whatever becomes of this.
            batch = frozenset(left) - self.ledger.doubtful
            self.ledger.doubtful |= batch
            attempts = 0

            def delete(left: list[str] = left) -> None:
                nonlocal attempts
                attempts += 1
                self._delete_batch(left)

            try:
                patiently(delete, self.check)
            except AwsError as error:
                if attempts == 1 and not is_transient(error):
                    self.ledger.doubtful -= batch
                raise PublishError.of(self.site.bucket, left[0], error) from error
            self.ledger.doubtful -= batch

    def _delete_batch(self, left: list[str]) -> None:
        """Deletes the keys and takes them off the list. Raises ClientError, also for one that S3 could not delete."""
        answer = self.site.s3.delete_objects(
            Bucket=self.site.bucket, Delete={"Objects": [{"Key": key} for key in left], "Quiet": True}
        )
        failed = {error.get("Key", ""): error for error in answer.get("Errors", [])}
        done = [key for key in left if key not in failed]
        left[:] = [key for key in left if key in failed]
        self.ledger.took_away(done)
        for error in failed.values():
            text = {k: str(error.get(k, "")) for k in ("Code", "Message")}
            raise ClientError({"Error": text}, "DeleteObjects")  # type: ignore[typeddict-item]
