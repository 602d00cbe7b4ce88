"""Keeps the pictures that Astro converted (`node_modules/.astro/assets`) of a session, in the checkout and in S3.

Nothing else of Astro's cache outlives a build. Its store of parsed content made stale pages live: it does not notice a
changed plugin or a new page (https://github.com/withastro/astro/issues/13028, with the content layer of Astro 5). A
picture's name in the cache is a digest of what made it.

Code of the site wrote it, and the agent could. So it is the session's own: another session of the site never receives it.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import zstandard
from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts import expiry
from sitewright.contracts.limits import BUILD_CACHE_BYTES, BUILD_CACHE_FILES
from sitewright.contracts.names import session_prefix
from workspace.build.clean_tree import FOLDER
from workspace.build.tarball import ArchiveError, Tarball
from workspace.errors import Fenced, StepStopped
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, below
from workspace.step_context import Fence, StepContext
from workspace.system.aws_clients import Clients
from workspace.system.freed_memory import give_back
from workspace.system.settings import Settings

CACHE = ".astro/assets"

_FORGET = 'find "$1" -mindepth 1 -maxdepth 1 ! -name assets -exec rm -rf {} +'
"""Run by the guest: it may have put a link there, and find follows none below its first argument."""

_LISTED = "build-cache.json"
"""The file in the runner's private folder with the paths of the saved cache."""

GROWN = 0.25
"""A cache is saved if at least this share of its files is new. A site that grows picture by picture then uploads a few
times its final size, not its size after every build."""

_TAR_OVERHEAD = 2
"""A tar of small files is larger than their sizes: each has a header and is padded to 512 bytes."""


class Cancelled(Exception):
    """The upload was cancelled: the next step needs the files."""


def cache_key(client_id: str, session_id: str) -> str:
    """Returns the key of a session's build cache in the artifacts bucket."""
    return f"{session_prefix(client_id, session_id)}build-cache.tar.zst"


def restore(ctx: StepContext) -> None:
    """Unpacks the session's cache into the checkout's node_modules. Logs a failure: the build then makes the files anew.

    Raises StepStopped, TimeoutError.
    """
    settings, modules = ctx.settings, _modules(ctx.settings)
    target = ctx.paths.site / modules
    _note(ctx.paths.private, ())
    if not guest_files.is_folder(ctx.paths.site, modules):
        return
    key = cache_key(settings.client_id, ctx.session.session_id)
    try:
        body = ctx.aws.s3.get_object(Bucket=settings.artifacts_bucket, Key=key)["Body"]
    except (ClientError, BotoCoreError):
        return
    try:
        Tarball(settings.guest, settings.inherited, ctx.fence.check_stop).unpack(cast(IO[bytes], body), target)
        _note(ctx.paths.private, _files(settings))
    except (ArchiveError, zstandard.ZstdError, BotoCoreError, OSError, GuestFileError) as error:
        ctx.log("the build cache cannot be used", level="warning", key=key, error=str(error))


def forget_content(ctx: StepContext) -> None:
    """Removes Astro's cache but for the converted pictures, before a build. Raises OSError, TimeoutError."""
    folder = f"{_modules(ctx.settings)}/.astro"
    if guest_files.is_folder(ctx.paths.site, folder):
        done = ctx.checkout.git.script(_FORGET, folder)
        if done.returncode:
            raise OSError(f"{folder} could not be emptied: {done.stderr.strip()[-300:]}")


@dataclass
class BuildCache:
    """Saves the build cache of a checkout."""

    settings: Settings
    clients: Clients
    session_id: str
    log: Callable[..., None] = field(repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)
    _cancelled: threading.Event = field(default_factory=threading.Event, repr=False)

    def start(self, fence: Fence) -> None:
        """Saves the cache in the background, while the workspace has nothing to do."""
        self.cancel()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._in_background, args=(fence,), name="build-cache", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether an upload is under way."""
        return self._thread is not None and self._thread.is_alive()

    def cancel(self) -> None:
        """Ends an upload under way, because a step needs the files or the claim is released."""
        self._cancelled.set()
        if self._thread is not None:
            # Packing ends at once. A request under way may go on; it stores this session's cache as it was.
            self._thread.join(1.0)
            self._thread = None

    def save(self, fence: Fence) -> bool:
        """Saves the cache if `is_worth_it`, and returns whether it did. Logs a failure; the next build tries again.

        Raises StepStopped.
        """
        key = cache_key(self.settings.client_id, self.session_id)
        try:
            files = _files(self.settings)
            if not is_worth_it(files, _noted(self.settings.paths.private)):
                return False
            self._save(key, fence)
            _note(self.settings.paths.private, files)
        except (Cancelled, Fenced) as error:
            self.log("the build cache was not saved", reason=str(error))
            return False
        except (
            ArchiveError,
            zstandard.ZstdError,
            ClientError,
            BotoCoreError,
            OSError,
            GuestFileError,
        ) as error:
            self.log("the build cache could not be saved", level="warning", error=str(error))
            return False
        self.log("build cache saved", files=len(files), key=key)
        return True

    def _in_background(self, fence: Fence) -> None:
        with contextlib.suppress(StepStopped):
            if self.save(fence):
                give_back()

    def _save(self, key: str, fence: Fence) -> None:
        cancelled = self._cancelled

        def check() -> None:
            if cancelled.is_set():
                raise Cancelled("the workspace has other things to do")
            fence.check_stop()

        paths = self.settings.paths
        packed = paths.scratch / "build-cache.tar.zst"
        try:
            packed.unlink(missing_ok=True)
            tarball = Tarball(self.settings.guest, self.settings.inherited, check)
            tarball.pack(
                packed, paths.site / _modules(self.settings), (CACHE,), limit=_TAR_OVERHEAD * BUILD_CACHE_BYTES
            )
            fence.verify()
            check()
            self.clients.s3.put_object(
                Bucket=self.settings.artifacts_bucket,
                Key=key,
                Body=packed.read_bytes(),
                Tagging=expiry.tagging(expiry.CACHE),
            )
        finally:
            packed.unlink(missing_ok=True)


def is_worth_it(files: Mapping[str, int], archived: set[str]) -> bool:
    """Returns whether to save a cache, by its files (path → bytes) and the paths of the saved cache. Pure."""
    new = len(files.keys() - archived)
    return new > 0 and new >= GROWN * len(archived)


def _modules(settings: Settings) -> str:
    return below(settings.directory or "", FOLDER)


def _files(settings: Settings) -> dict[str, int]:
    """Returns path and size of the cache's files; none if the folder is missing or a link. Raises GuestFileError."""
    site, cache = settings.paths.site, f"{_modules(settings)}/{CACHE}"
    if not guest_files.is_folder(site, cache):
        return {}
    found = guest_files.walk(site, cache, max_entries=BUILD_CACHE_FILES, max_bytes=BUILD_CACHE_BYTES)
    return {entry.path: entry.size for entry in found if entry.is_file}


def _note(private: Path, paths: Iterable[str]) -> None:
    (private / _LISTED).write_text(json.dumps(sorted(paths)))


def _noted(private: Path) -> set[str]:
    try:
        return set(json.loads((private / _LISTED).read_bytes()))
    except FileNotFoundError:
        return set()
