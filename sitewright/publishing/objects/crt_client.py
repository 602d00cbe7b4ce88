"""Puts and copies small objects with AWS's S3 client in C (awscrt).

Botocore needs 1.1 ms of Python for a PutObject. Threads do not help, because they share the interpreter's lock: 16 threads
upload only 1.5 times as many files a second as one. The client in C signs, sends and reads without the lock.
"""

import base64
import os
import re
from collections.abc import Callable
from concurrent.futures import wait
from html import unescape
from typing import Any
from urllib.parse import quote, urlsplit

from awscrt.auth import AwsCredentials, AwsCredentialsProvider
from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, ClientTlsContext, DefaultHostResolver, EventLoopGroup, TlsContextOptions
from awscrt.s3 import (
    S3Client,
    S3RequestTlsMode,
    S3RequestType,
    S3ResponseError,
    S3RetryConfig,
    S3RetryMode,
    create_default_s3_signing_config,
)
from botocore.credentials import Credentials
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
)

from sitewright.publishing.dist_files import open_file
from sitewright.publishing.objects.workers import THREADS
from sitewright.publishing.site_files import LocalFile, SentObject, StoredFile

TIMEOUT_SECONDS = 60.0
"""How long a request waits for its answer. Equal to the `read_timeout` of the workspace's botocore client."""

GBPS_EACH = 0.4
"""The client opens one connection for each 0.4 Gbit/s of its `throughput_target_gbps`, and 25 without a target
(aws-c-s3; measured, and seen in https://github.com/dingodb/dingofs/pull/1007)."""

_CANCEL_SECONDS = 5.0
_CONNECT_MS = 5000
_FILE_ERRORS = ("AWS_ERROR_FILE_", "AWS_ERROR_NO_PERMISSION", "AWS_IO_STREAM_")
_CREDENTIAL_ERRORS = ("AWS_AUTH_",)
_WITHOUT_ANSWER = {"AWS_ERROR_S3_SLOW_DOWN": ("SlowDown", 503), "AWS_ERROR_S3_INTERNAL_ERROR": ("InternalError", 500)}
"""Refusals that the client reports without S3's answer, because it would normally repeat the request itself."""


class CrtClient:
    """Implements SmallObjectClient: each method sends one request and never repeats it. Thread safe.

    Uses the proxies of the environment.
    """

    def __init__(
        self, endpoint: str, region: str, credentials: Callable[[], Credentials | None], ca_bundle: str | None = None
    ) -> None:
        """Prepares the client without connecting.

        Args:
            endpoint: URL of the region's S3.
            region: region of the buckets.
            credentials: returns botocore's credentials; called before each request, because they expire.
            ca_bundle: file with the trusted certificates; None for the system's.
        """
        url = urlsplit(endpoint)
        self._endpoint, self._host, self._base = endpoint, url.netloc, url.path.rstrip("/")
        self._credentials = credentials
        provider = AwsCredentialsProvider.new_delegate(lambda: _frozen(credentials()))
        loops = EventLoopGroup(1)
        tls = TlsContextOptions()
        if ca_bundle:
            tls.override_default_trust_store_from_path(None, ca_bundle)
        secure = url.scheme == "https"
        self._client = S3Client(
            bootstrap=ClientBootstrap(loops, DefaultHostResolver(loops)),
            region=region,
            tls_mode=S3RequestTlsMode.ENABLED if secure else S3RequestTlsMode.DISABLED,
            tls_connection_options=ClientTlsContext(tls).new_connection_options() if secure else None,
            signing_config=create_default_s3_signing_config(region=region, credential_provider=provider),
            # A publish that was stopped, or lost its lease, must not repeat a request. So the caller repeats.
            retry_config=S3RetryConfig(retry_mode=S3RetryMode.NONE),
            connect_timeout_ms=_CONNECT_MS,
            throughput_target_gbps=THREADS * GBPS_EACH,
        )

    def put(self, bucket: str, file: LocalFile) -> SentObject:
        """Uploads a file in one request; reads it into memory.

        Raises ClientError (S3 refused), BotoCoreError (no answer, no credentials), OSError (reading the file failed).
        """
        with open_file(file) as opened:
            if os.fstat(opened.fileno()).st_size != file.size:
                raise OSError(f"{file.key} was changed while it was sent")
            request = HttpRequest("PUT", self._path(bucket, file.key), self._headers(file))
            # The library takes a path only. This one is the open file, whatever has its name now.
            headers, _ = self._send("PutObject", file.key, request, send_filepath=f"/dev/fd/{opened.fileno()}")
        return SentObject(headers["etag"].strip('"'), headers.get("x-amz-version-id"))

    def copy(self, bucket: str, file: StoredFile) -> SentObject:
        """Makes an older version of an object its newest one again, with its original content type and cache control.

        Raises ClientError (S3 refused, even after it had answered 200), BotoCoreError (no answer, no credentials).
        """
        # Version ids are URL safe (S3 User Guide, "Adding objects to versioning-enabled buckets").
        source = f"{bucket}/{quote(file.key)}?versionId={file.version_id or ''}"
        extra = [("Content-Length", "0"), ("x-amz-copy-source", source), ("x-amz-metadata-directive", "COPY")]
        request = HttpRequest("PUT", self._path(bucket, file.key), HttpHeaders([("Host", self._host), *extra]))
        headers, body = self._send("CopyObject", file.key, request)
        etag = _text(body, "ETag").strip('"')
        if not etag:
            raise _client_error("CopyObject", "InternalError", "S3 did not tell what became of the copy", 500)
        return SentObject(etag, headers.get("x-amz-version-id"))

    def head(self, bucket: str, file: StoredFile) -> None:
        """Checks that a version of an object is stored.

        Raises ClientError (the answer has no body, so its code is the status), BotoCoreError (no answer, no credentials).
        """
        path = f"{self._path(bucket, file.key)}?versionId={quote(file.version_id or '', safe='')}"
        self._send("HeadObject", file.key, HttpRequest("HEAD", path, HttpHeaders([("Host", self._host)])))

    def _send(self, operation: str, key: str, http_request: HttpRequest, **extra: Any) -> tuple[dict[str, str], bytes]:
        """Returns the answer's headers, by lower-case names, and its body."""
        # The library asks for the credentials again, but its error does not contain the reason for missing ones.
        _frozen(self._credentials())
        answer_headers: dict[str, str] = {}
        body = bytearray()

        def on_headers(status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
            answer_headers.update((name.lower(), value) for name, value in headers)

        request = self._client.make_request(
            type=S3RequestType.DEFAULT,
            operation_name=operation,
            request=http_request,
            on_headers=on_headers,
            on_body=lambda chunk, **_: body.extend(chunk),
            **extra,
        )
        try:
            request.finished_future.result(TIMEOUT_SECONDS)
        except TimeoutError as error:
            request.cancel()
            # Once the future has ended, no part of the request is under way any more.
            wait([request.finished_future], _CANCEL_SECONDS)
            raise ReadTimeoutError(endpoint_url=self._endpoint) from error
        except S3ResponseError as error:
            raise _refusal(operation, error) from error
        except AwsCrtError as error:
            raise _fault(operation, key, error) from error
        return answer_headers, bytes(body)

    def _path(self, bucket: str, key: str) -> str:
        # The bucket is in the path, as in botocore: for a name with dots no certificate matches the bucket's host name.
        return f"{self._base}/{bucket}/{quote(key)}"

    def _headers(self, file: LocalFile) -> HttpHeaders:
        headers = [
            ("Host", self._host),
            ("Content-Length", str(file.size)),
            ("Content-Type", file.content_type),
            ("Cache-Control", file.cache_control),
        ]
        if file.crc32 is not None:
            # S3 refuses the file if its content differs from the planned one.
            headers.append(("x-amz-checksum-crc32", base64.b64encode(file.crc32.to_bytes(4, "big")).decode()))
        return HttpHeaders(headers)


def _frozen(credentials: Credentials | None) -> AwsCredentials:
    if credentials is None:
        raise NoCredentialsError
    now = credentials.get_frozen_credentials()
    return AwsCredentials(now.access_key, now.secret_key, now.token)


def _refusal(operation: str, error: S3ResponseError) -> ClientError:
    """Makes the error that botocore would raise for the same answer."""
    body = error.body or b""
    code, message = (_text(body, name) for name in ("Code", "Message"))
    # S3 answers 200 before it copies, and may report an error afterwards (API reference, CopyObject). Botocore then says 500.
    status = 500 if error.status_code == 200 else error.status_code
    return _client_error(operation, code or str(status), message or error.message, status)


def _client_error(operation: str, code: str, message: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


def _text(body: bytes, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>".encode(), body, re.DOTALL)
    return unescape(found[1].decode(errors="replace")) if found else ""


def _fault(operation: str, key: str, error: AwsCrtError) -> Exception:
    text = f"{error.name}: {error.message}"
    if error.name.startswith(_FILE_ERRORS):
        return OSError(f"{key} could not be read: {text}")
    if error.name.startswith(_CREDENTIAL_ERRORS):
        return CredentialRetrievalError(provider="workspace", error_msg=text)
    if error.name in _WITHOUT_ANSWER:
        code, status = _WITHOUT_ANSWER[error.name]
        return _client_error(operation, code, error.message, status)
    return HTTPClientError(error=text)
