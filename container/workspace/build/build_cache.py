"""Saves Astro's build cache (`node_modules/.astro`: converted pictures, parsed content) in the archive of node_modules.

The archive has two parts: the packages as they were installed, then the cache. A new cache replaces only the second
part; S3 copies the first part from the old archive. So packages are uploaded once for each lock file, before the agent
and the build can change them. Damage in one session's node_modules reaches no other session.
"""

import contextlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard
from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts import expiry
from sitewright.contracts.names import modules_key
from workspace.build import tarball
from workspace.build.dependencies import FOLDER, MARK, PACKAGES_BYTES
from workspace.build.tarball import ArchiveError
from workspace.errors import Fenced, StepStopped
from workspace.step_context import Fence
from workspace.system.aws_clients import Clients
from workspace.system.settings import Settings

CACHE = ".astro"
_LISTED = ".sitewright-cache"
"""The file with the paths of the archived cache. It is in node_modules and in the archive's second part."""

GROWN = 0.25
"""A cache is saved if at least this share of its files is new. A site that grows picture by picture then uploads a few
times its final size, not its size after every build."""

LARGEST_BYTES = 128 * 1024 * 1024
"""Restoring a larger cache takes longer than it saves."""

_LEAST_PART = 5 * 1024 * 1024
"""S3's least size of a part, except the last one. S3 copies ranges only of larger objects."""


class Cancelled(Exception):
    """The upload was cancelled: the next step needs the files."""


@dataclass
class BuildCache:
    """Saves the build cache of a checkout."""

    settings: Settings
    clients: Clients
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
            # Packing reads the files, and ends at once. A request under way may go on; its upload is aborted then.
            self._thread.join(1.0)
            self._thread = None

    def save(self, fence: Fence) -> bool:
        """Saves the cache if `is_worth_it`, and returns whether it did. Logs a failure; the next build tries again.

        Raises StepStopped.
        """
        try:
            key, files = self._key(), self._files()
            if key is None or not is_worth_it(files, self._listed()):
                return False
            self._save(key, files, fence)
        except (Cancelled, Fenced) as error:
            self.log("the build cache was not saved", reason=str(error))
            return False
        except (ArchiveError, zstandard.ZstdError, ClientError, BotoCoreError, OSError) as error:
            self.log("the build cache could not be saved", level="warning", error=str(error))
            return False
        self.log("build cache saved", files=len(files), key=key)
        return True

    def _in_background(self, fence: Fence) -> None:
        with contextlib.suppress(StepStopped):
            self.save(fence)

    def _save(self, key: str, files: Mapping[str, int], fence: Fence) -> None:
        cancelled = self._cancelled

        def check() -> None:
            if cancelled.is_set():
                raise Cancelled("the workspace has other things to do")
            fence.check_stop()

        archive, listed = self.settings.paths.scratch / "build-cache.tar.zst", self._folder / _LISTED
        staged = self.settings.paths.scratch / _LISTED
        try:
            staged.write_text(json.dumps(sorted(files)))
            staged.replace(listed)
            tarball.pack(
                archive,
                self.settings.paths.site,
                (f"{FOLDER}/{CACHE}", f"{FOLDER}/{_LISTED}"),
                env=self.settings.inherited,
                check=check,
            )
            fence.verify()
            _Archive(self.clients, self.settings.artifacts_bucket, key).append(archive.read_bytes(), check)
        except BaseException:
            # Without the list the next attempt saves all files again.
            listed.unlink(missing_ok=True)
            raise
        finally:
            archive.unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self.settings.paths.site / FOLDER

    def _key(self) -> str | None:
        # The agent can write to node_modules. So the file's content counts only if it has the form of a key.
        try:
            key = (self._folder / MARK).read_text()
        except (OSError, ValueError):
            return None
        digest = re.search(r"[0-9a-f]{64}", key)
        return key if digest and key == modules_key(self.settings.client_id, digest[0]) else None

    def _files(self) -> dict[str, int]:
        """Returns path and size of the cache's files; none if the folder is a link."""
        root = self._folder / CACHE
        if root.is_symlink() or self._folder.is_symlink() or not root.is_dir():
            return {}
        return {
            path.relative_to(root).as_posix(): path.lstat().st_size
            for path in root.rglob("*")
            if path.is_file() and not path.is_symlink()
        }

    def _listed(self) -> set[str]:
        try:
            listed: Any = json.loads((self._folder / _LISTED).read_bytes())
        except (OSError, ValueError):
            return set()
        return {path for path in listed if isinstance(path, str)} if isinstance(listed, list) else set()


def is_worth_it(files: Mapping[str, int], archived: set[str]) -> bool:
    """Returns whether to save a cache, by its files (path → bytes) and the paths of the archived cache. Pure."""
    if not files or sum(files.values()) > LARGEST_BYTES:
        return False
    new = len(files.keys() - archived)
    return new > 0 and new >= GROWN * len(archived)


@dataclass(frozen=True)
class _Archive:
    """One lock file's archive in S3."""

    clients: Clients
    bucket: str
    key: str

    def append(self, cache: bytes, check: Callable[[], None]) -> None:
        """Replaces the second part, unless another workspace replaces the archive meanwhile.

        Raises botocore's exceptions.
        """
        s3 = self.clients.s3
        head = s3.head_object(Bucket=self.bucket, Key=self.key)
        packages = int(head["Metadata"].get(PACKAGES_BYTES, head["ContentLength"]))
        metadata, first = {PACKAGES_BYTES: str(packages)}, f"bytes=0-{packages - 1}"
        if packages < _LEAST_PART or head["ContentLength"] <= _LEAST_PART:
            body = s3.get_object(Bucket=self.bucket, Key=self.key, Range=first, IfMatch=head["ETag"])["Body"].read()
            check()
            s3.put_object(
                Bucket=self.bucket,
                Key=self.key,
                Body=body + cache,
                Metadata=metadata,
                Tagging=expiry.tagging(expiry.CACHE),
            )
            return
        upload = s3.create_multipart_upload(
            Bucket=self.bucket, Key=self.key, Metadata=metadata, Tagging=expiry.tagging(expiry.CACHE)
        )["UploadId"]
        try:
            copied = s3.upload_part_copy(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=upload,
                PartNumber=1,
                CopySource={"Bucket": self.bucket, "Key": self.key},
                CopySourceRange=first,
                CopySourceIfMatch=head["ETag"],
            )["CopyPartResult"]
            check()
            added = s3.upload_part(Bucket=self.bucket, Key=self.key, UploadId=upload, PartNumber=2, Body=cache)
            check()
            s3.complete_multipart_upload(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=upload,
                MultipartUpload={
                    "Parts": [{"PartNumber": 1, "ETag": copied["ETag"]}, {"PartNumber": 2, "ETag": added["ETag"]}]
                },
            )
        except BaseException:
            s3.abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=upload)
            raise
