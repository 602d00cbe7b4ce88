"""One file becomes one object: put, put in parts, or copied from one of its own older versions."""

import base64
import os
import threading
from collections.abc import Callable
from typing import Any

from boto3.s3.transfer import TransferConfig

from sitewright.publishing.errors import GONE, NotRestorable, PublishError, patiently
from sitewright.publishing.site_files import LocalFile, Sent, SiteFile, StoredFile
from sitewright.publishing.target import Quick, Site
from sitewright.retry import AwsError, error_code

SMALL_BYTES = 2**19
"""What may be held in memory, for each of THREADS. A larger file is streamed by botocore, and a larger copy may take S3
longer than one request of the quick client may."""

MULTIPART_BYTES = 32 * 2**20
COPY_BYTES = 5 * 2**30
"""CopyObject takes objects up to 5 GB (S3 API reference, CopyObject)."""

_PARTS = TransferConfig(
    multipart_threshold=MULTIPART_BYTES,
    multipart_chunksize=16 * 2**20,
    max_concurrency=4,
    num_download_attempts=1,
    # With awscrt there, boto3 may take its own way, on which neither `check` nor `Callback` is asked.
    preferred_transfer_client="classic",
)


class Sender:
    """Sends files; safe to use from many threads. `check` is asked before every request, also before a repeated one."""

    def __init__(self, site: Site, check: Callable[[], None]) -> None:
        self._site = site
        self._check = check
        self._mine = threading.local()
        self._large = threading.Semaphore(2)

    def __enter__(self) -> "Sender":
        # Botocore repeats a failed request by itself for seconds. A publish that was stopped, or lost the site, must not.
        self._site.s3.meta.events.register_first("before-send.s3", self._before_send, unique_id=f"sender-{id(self)}")
        return self

    def __exit__(self, *_: object) -> None:
        self._site.s3.meta.events.unregister("before-send.s3", unique_id=f"sender-{id(self)}")

    @property
    def attempts(self) -> int:
        """Requests of this thread's last `send` that went out: if it failed, they may have been carried out all the same, but
        for one alone that S3 refused.
        """
        return getattr(self._mine, "attempts", 0)

    def send(self, file: SiteFile) -> Sent:
        """Raises PublishError (NotRestorable: the version is not stored, or not known), and what `check` raises."""
        self._mine.attempts = 0
        where = f"s3://{self._site.bucket}/{file.key}"
        if isinstance(file, StoredFile) and file.version_id is None:
            raise NotRestorable(self._site.bucket, file.key, "NoVersion", f"The older version of {where} is not known.")
        self._check()
        self._mine.sending = True
        try:
            return patiently(lambda: self._send(file), self._check)
        except AwsError as error:
            if isinstance(file, StoredFile) and error_code(error) in GONE:
                text = f"The older version of {where} is not stored any more ({error_code(error)})."
                raise NotRestorable(self._site.bucket, file.key, error_code(error), text) from error
            raise PublishError.of(self._site.bucket, file.key, error) from error
        except OSError as error:
            raise PublishError.of(self._site.bucket, file.key, error) from error
        finally:
            self._mine.sending = False

    def _send(self, file: SiteFile) -> Sent:
        if file.size <= SMALL_BYTES and self._site.quick is not None:
            return self._send_small(file, self._site.quick)
        if isinstance(file, StoredFile):
            return self._copy(file)
        if file.size > MULTIPART_BYTES:
            with self._large:
                return self._put_in_parts(file)
        return self._put(file)

    def _send_small(self, file: SiteFile, quick: Quick) -> Sent:
        self._before_send()
        if isinstance(file, StoredFile):
            return quick.copy(self._site.bucket, file)
        return quick.put(self._site.bucket, file)

    def _put(self, file: LocalFile) -> Sent:
        # S3 refuses the file if it is not the one that was planned with. Botocore would add such a sum anyway, but as a
        # trailer of a chunked body, made while sending.
        checksum: dict[str, Any] = {} if file.crc32 is None else {"ChecksumCRC32": _base64(file.crc32)}
        with file.path.open("rb") as body:
            answer = self._site.s3.put_object(
                Bucket=self._site.bucket,
                Key=file.key,
                Body=body,
                ContentType=file.content_type,
                CacheControl=file.cache_control,
                **checksum,
            )
        return _sent(answer, answer["ETag"])

    def _put_in_parts(self, file: LocalFile) -> Sent:
        # Its requests are made in other threads.
        self._mine.attempts = 2
        before = file.path.stat()
        self._site.s3.upload_file(
            os.fspath(file.path),
            self._site.bucket,
            file.key,
            ExtraArgs={"ContentType": file.content_type, "CacheControl": file.cache_control},
            # Called in the transfer's own threads; what it raises ends the transfer and removes its parts.
            Callback=lambda _: self._check(),
            Config=_PARTS,
        )
        after = file.path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or after.st_size != file.size:
            raise OSError(f"{file.key} was changed while it was sent")
        # The transfer manager keeps CompleteMultipartUpload's answer to itself.
        answer = self._site.s3.head_object(Bucket=self._site.bucket, Key=file.key)
        return _sent(answer, answer["ETag"])

    def _copy(self, file: StoredFile) -> Sent:
        answer = self._site.s3.copy_object(
            Bucket=self._site.bucket,
            Key=file.key,
            CopySource={"Bucket": self._site.bucket, "Key": file.key, "VersionId": file.version_id or ""},
            MetadataDirective="COPY",
        )
        return _sent(answer, answer["CopyObjectResult"]["ETag"])

    def _before_send(self, **_: Any) -> None:
        # Other threads use the client too: a checkpoint, the manifest.
        if getattr(self._mine, "sending", False):
            self._check()
            self._mine.attempts += 1


def _base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def _sent(answer: Any, etag: str) -> Sent:
    return Sent(etag.strip('"'), answer.get("VersionId"))
