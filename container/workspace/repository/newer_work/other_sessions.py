"""The checkpoints of a client's other sessions, which have the commits that no git host has yet."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

from sitewright.contracts.records import SessionRecord
from workspace.errors import GitError
from workspace.repository.checkout import Checkout
from workspace.repository.checkpoints import checkpoint_archive
from workspace.repository.checkpoints.checkpoint_archive import CheckpointError
from workspace.repository.git_errors import BundleVerdict, classify_bundle
from workspace.repository.objects.object_exchange import Poll
from workspace.system.aws_clients import Clients
from workspace.system.paths import Paths

SECONDS = 300.0
"""The limit for unpacking a history. 100 MB take some 2 s."""


class NotLent(Exception):
    """A checkpoint could not be unpacked on this machine. That is no proof that it lacks a commit."""


@dataclass(frozen=True)
class OtherSessions:
    """Reads the checkpoints of the client's sessions. Their conversations are not looked at."""

    clients: Clients
    bucket: str
    paths: Paths
    checkout: Checkout
    read: Callable[[str], SessionRecord | None]
    """Returns a session of this client by its id."""
    log: Callable[..., None] = field(repr=False)

    def lend(self, session_id: str, commit: str, *, poll: Poll) -> bool:
        """Brings the objects of a session's checkpoint into the checkout. Returns whether it then has the commit.

        Logs a checkpoint that is gone or damaged. Raises NotLent, botocore's exceptions, and what `poll` raises.
        """
        folder = self.paths.scratch / "lent"
        try:
            session = self.read(session_id)
            if session is None or session.checkpoint is None:
                return False
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            checkpoint_archive.download(self.clients.s3, self.bucket, session.checkpoint, folder)
            bundle = folder / checkpoint_archive.BUNDLE
            self.checkout.remote.exchange.load_objects(bundle, timeout=SECONDS, poll=poll)
        except CheckpointError as error:
            self._log_failure(session_id, error)
        except (TimeoutError, OSError) as error:
            raise NotLent(f"the checkpoint of the session {session_id} could not be read: {error}") from error
        except GitError as error:
            if poll is not None:
                # A stop may have ended the command.
                poll()
            self._log_failure(session_id, error)
            if classify_bundle(error.stderr) is not BundleVerdict.DAMAGED:
                raise NotLent(f"the checkpoint of the session {session_id} could not be read: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self.checkout.resolve(commit) is not None

    def _log_failure(self, session_id: str, error: Exception) -> None:
        self.log("another session's checkpoint is of no use", level="warning", other=session_id, error=str(error)[:500])
