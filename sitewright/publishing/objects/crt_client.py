"""Small objects put and copied by AWS's own S3 client in C (awscrt).

Botocore needs 1.1 ms of Python for a PutObject, and threads do not divide it: they take turns at the interpreter's lock, so
16 of them put no more files a second than one and a half. The client in C signs, sends and reads without the lock.
"""

import base64
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

from sitewright.publishing.objects.workers import THREADS
from sitewright.publishing.site_files import LocalFile, Sent, StoredFile

TIMEOUT_SECONDS = 60.0
"""Without an answer a request is given up. Like botocore's `read_timeout` of the workspace's client."""

GBPS_EACH = 0.4
"""Of its `throughput_target_gbps` the client makes its number of connections, one for so much, 25 if it is not told
(aws-c-s3; seen here, and in https://github.com/dingodb/dingofs/pull/1007)."""

_CANCEL_SECONDS = 5.0
_CONNECT_MS = 5000
_FILE_ERRORS = ("AWS_ERROR_FILE_", "AWS_ERROR_NO_PERMISSION", "AWS_IO_STREAM_")
_CREDENTIAL_ERRORS = ("AWS_AUTH_",)
_WITHOUT_ANSWER = {"AWS_ERROR_S3_SLOW_DOWN": ("SlowDown", 503), "AWS_ERROR_S3_INTERNAL_ERROR": ("InternalError", 500)}
"""Refusals whose answer the client keeps to itself, for it would repeat them."""


class CrtClient:
    """Puts, copies and heads, one request each, never repeated by itself. Safe to use from many threads.

    Proxies are those of the environment.
    """

    def __init__(
        self, endpoint: str, region: str, credentials: Callable[[], Credentials | None], ca_bundle: str | None = None
    ) -> None:
        """Connects to nothing yet.

        Args:
            endpoint: URL of the region's S3.
            region: the buckets'.
            credentials: botocore's, asked for before each request: they are renewed now and then.
            ca_bundle: file with the certificates that are trusted; None for the system's.
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
            # A publish that was stopped, or lost the site, must not send anything again: repeating is the caller's.
            retry_config=S3RetryConfig(retry_mode=S3RetryMode.NONE),
            connect_timeout_ms=_CONNECT_MS,
            throughput_target_gbps=THREADS * GBPS_EACH,
        )

    def put(self, bucket: str, file: LocalFile) -> Sent:
        """Sends a file, whole and once. It is held in memory meanwhile.

        Raises ClientError (S3 refused), BotoCoreError (no answer, no credentials), OSError (the file).
        """
        size = file.path.stat().st_size
        if size != file.size:
            raise OSError(f"{file.key} was changed while it was sent")
        request = HttpRequest("PUT", self._path(bucket, file.key), self._headers(file))
        headers, _ = self._answer("PutObject", file.key, request, send_filepath=file.location)
        return Sent(headers["etag"].strip('"'), headers.get("x-amz-version-id"))

    def copy(self, bucket: str, file: StoredFile) -> Sent:
        """Makes an older version of an object its newest again, with the type and the caching that it had.

        Raises ClientError (S3 refused, also in the middle of it), BotoCoreError (no answer, no credentials).
        """
        # The ids of versions are URL safe (S3 User Guide, "Adding objects to versioning-enabled buckets").
        source = f"{bucket}/{quote(file.key)}?versionId={file.version_id or ''}"
        more = [("Content-Length", "0"), ("x-amz-copy-source", source), ("x-amz-metadata-directive", "COPY")]
        request = HttpRequest("PUT", self._path(bucket, file.key), HttpHeaders([("Host", self._host), *more]))
        headers, body = self._answer("CopyObject", file.key, request)
        etag = _text(body, "ETag").strip('"')
        if not etag:
            raise _client_error("CopyObject", "InternalError", "S3 did not tell what became of the copy", 500)
        return Sent(etag, headers.get("x-amz-version-id"))

    def head(self, bucket: str, file: StoredFile) -> None:
        """Asks whether a version of an object is stored.

        Raises ClientError (an answer without a body: its code is the status), BotoCoreError (no answer, no credentials).
        """
        path = f"{self._path(bucket, file.key)}?versionId={quote(file.version_id or '', safe='')}"
        self._answer("HeadObject", file.key, HttpRequest("HEAD", path, HttpHeaders([("Host", self._host)])))

    def _answer(self, operation: str, key: str, wanted: HttpRequest, **more: Any) -> tuple[dict[str, str], bytes]:
        """Headers, by their names in small letters, and body."""
        # The library asks for them again, and would not tell why there are none.
        _frozen(self._credentials())
        told: dict[str, str] = {}
        body = bytearray()

        def on_headers(status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
            told.update((name.lower(), value) for name, value in headers)

        request = self._client.make_request(
            type=S3RequestType.DEFAULT,
            operation_name=operation,
            request=wanted,
            on_headers=on_headers,
            on_body=lambda chunk, **_: body.extend(chunk),
            **more,
        )
        try:
            request.finished_future.result(TIMEOUT_SECONDS)
        except TimeoutError as error:
            request.cancel()
            # Nothing of it is under way any more once it has ended.
            wait([request.finished_future], _CANCEL_SECONDS)
            raise ReadTimeoutError(endpoint_url=self._endpoint) from error
        except S3ResponseError as error:
            raise _refusal(operation, error) from error
        except AwsCrtError as error:
            raise _fault(operation, key, error) from error
        return told, bytes(body)

    def _path(self, bucket: str, key: str) -> str:
        # The bucket in the path, as botocore has it for a name with dots: no certificate is valid for such a host.
        return f"{self._base}/{bucket}/{quote(key)}"

    def _headers(self, file: LocalFile) -> HttpHeaders:
        headers = [
            ("Host", self._host),
            ("Content-Length", str(file.size)),
            ("Content-Type", file.content_type),
            ("Cache-Control", file.cache_control),
        ]
        if file.crc32 is not None:
            # S3 refuses the file if it is not the one that was planned with.
            headers.append(("x-amz-checksum-crc32", base64.b64encode(file.crc32.to_bytes(4, "big")).decode()))
        return HttpHeaders(headers)


def _frozen(credentials: Credentials | None) -> AwsCredentials:
    if credentials is None:
        raise NoCredentialsError
    now = credentials.get_frozen_credentials()
    return AwsCredentials(now.access_key, now.secret_key, now.token)


def _refusal(operation: str, error: S3ResponseError) -> ClientError:
    """What botocore would raise for the same answer."""
    body = error.body or b""
    code, message = (_text(body, name) for name in ("Code", "Message"))
    # S3 says 200 before it copies, and may tell of an error afterwards (API reference, CopyObject). Botocore says 500 then.
    status = 500 if error.status_code == 200 else error.status_code
    return _client_error(operation, code or str(status), message or error.message, status)


def _client_error(operation: str, code: str, message: str, status: int) -> ClientError:
    said: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, operation)


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
