"""Sends one file: uploads it whole or in parts, or copies one of its older versions."""

import base64
import os
import threading
from collections.abc import Callable
from typing import Any

from boto3.s3.transfer import TransferConfig

from sitewright.publishing.dist_files import open_file
from sitewright.publishing.errors import VERSION_GONE, NotRestorable, PublishError
from sitewright.publishing.objects.s3_retry import retry_s3
from sitewright.publishing.site_files import LocalFile, SentObject, SiteFile, StoredFile
from sitewright.publishing.target import PublishTarget, SmallObjectClient
from sitewright.retry import AwsError, error_code

SMALL_BYTES = 2**19
"""Maximum size for the SmallObjectClient, which reads a file into memory, in each of THREADS. Botocore streams a larger file,
and S3 may need longer for a larger copy than that client's timeout."""

MULTIPART_BYTES = 32 * 2**20
COPY_BYTES = 5 * 2**30
"""CopyObject takes objects up to 5 GB (S3 API reference, CopyObject)."""

_PARTS = TransferConfig(
    multipart_threshold=MULTIPART_BYTES,
    multipart_chunksize=16 * 2**20,
    max_concurrency=4,
    num_download_attempts=1,
    # With awscrt installed, boto3 may choose another transfer client, which calls neither `check` nor `Callback`.
    preferred_transfer_client="classic",
)
_PARTS.max_in_memory_upload_chunks = 6
"""Parts of an open file are read into memory: 96 MB for each of two large files. The default is 10 parts."""


class Sender:
    """Sends files; thread safe. Calls `check` before every request, also before a repeated one."""

    def __init__(self, target: PublishTarget, check: Callable[[], None]) -> None:
        self._target = target
        self._check = check
        self._local = threading.local()
        self._large = threading.Semaphore(2)

    def __enter__(self) -> "Sender":
        # Botocore repeats a failed request by itself for seconds. A publish that was stopped, or lost its lease, must not.
        self._target.s3.meta.events.register_first("before-send.s3", self._before_send, unique_id=f"sender-{id(self)}")
        return self

    def __exit__(self, *_: object) -> None:
        self._target.s3.meta.events.unregister("before-send.s3", unique_id=f"sender-{id(self)}")

    @property
    def attempts(self) -> int:
        """How many requests this thread's last `send` sent.

        After a failure S3 may still have carried them out, unless it refused the only request.
        """
        return getattr(self._local, "attempts", 0)

    def send(self, file: SiteFile) -> SentObject:
        """Sends a file. Raises PublishError (NotRestorable: the version is not stored, or unknown), and what `check` raises."""
        self._local.attempts = 0
        where = f"s3://{self._target.bucket}/{file.key}"
        if isinstance(file, StoredFile) and file.version_id is None:
            raise NotRestorable(
                self._target.bucket, file.key, "NoVersion", f"The older version of {where} is not known."
            )
        self._check()
        self._local.sending = True
        try:
            return retry_s3(lambda: self._send(file), self._check)
        except AwsError as error:
            if isinstance(file, StoredFile) and error_code(error) in VERSION_GONE:
                text = f"The older version of {where} is not stored any more ({error_code(error)})."
                raise NotRestorable(self._target.bucket, file.key, error_code(error), text) from error
            raise PublishError.of(self._target.bucket, file.key, error) from error
        except OSError as error:
            raise PublishError.of(self._target.bucket, file.key, error) from error
        finally:
            self._local.sending = False

    def _send(self, file: SiteFile) -> SentObject:
        if file.size <= SMALL_BYTES and self._target.small_objects is not None:
            return self._send_small(file, self._target.small_objects)
        if isinstance(file, StoredFile):
            return self._copy(file)
        if file.size > MULTIPART_BYTES:
            with self._large:
                return self._put_in_parts(file)
        return self._put(file)

    def _send_small(self, file: SiteFile, client: SmallObjectClient) -> SentObject:
        self._before_send()
        if isinstance(file, StoredFile):
            return client.copy(self._target.bucket, file)
        return client.put(self._target.bucket, file)

    def _put(self, file: LocalFile) -> SentObject:
        # S3 refuses the file if its content differs from the planned one. Botocore would add a checksum anyway, but compute
        # it while sending, as a trailer of a chunked body.
        checksum: dict[str, Any] = {} if file.crc32 is None else {"ChecksumCRC32": _base64(file.crc32)}
        with open_file(file) as body:
            answer = self._target.s3.put_object(
                Bucket=self._target.bucket,
                Key=file.key,
                Body=body,
                ContentType=file.content_type,
                CacheControl=file.cache_control,
                **checksum,
            )
        return _sent(answer, answer["ETag"])

    def _put_in_parts(self, file: LocalFile) -> SentObject:
        # The transfer's own threads send the requests, so they are not counted: 2 stands for "several".
        self._local.attempts = 2
        with open_file(file) as body:
            before = os.fstat(body.fileno())
            self._target.s3.upload_fileobj(
                body,
                self._target.bucket,
                file.key,
                ExtraArgs={"ContentType": file.content_type, "CacheControl": file.cache_control},
                # Called in the transfer's own threads; an exception ends the transfer and removes its parts.
                Callback=lambda _: self._check(),
                Config=_PARTS,
            )
            after = os.fstat(body.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or after.st_size != file.size:
            raise OSError(f"{file.key} was changed while it was sent")
        # The transfer manager does not return CompleteMultipartUpload's answer.
        answer = self._target.s3.head_object(Bucket=self._target.bucket, Key=file.key)
        return _sent(answer, answer["ETag"])

    def _copy(self, file: StoredFile) -> SentObject:
        answer = self._target.s3.copy_object(
            Bucket=self._target.bucket,
            Key=file.key,
            CopySource={"Bucket": self._target.bucket, "Key": file.key, "VersionId": file.version_id or ""},
            MetadataDirective="COPY",
        )
        return _sent(answer, answer["CopyObjectResult"]["ETag"])

    def _before_send(self, **_: Any) -> None:
        # Other threads use the client too, for checkpoints and the manifest: only this sender's requests count.
        if getattr(self._local, "sending", False):
            self._check()
            self._local.attempts += 1


def _base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def _sent(answer: Any, etag: str) -> SentObject:
    return SentObject(etag.strip('"'), answer.get("VersionId"))
