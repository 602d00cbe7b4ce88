"""One site's web server: a Starlette app over a bucket."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sitewright.local.website.website_rules import Website, lookup, not_modified

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEALTH_PATH = "/__sitewright_website__"
"""Answers 200 without looking at the bucket."""

CONFIGURATION_SECONDS = 5.0
_CHUNK = 256 * 1024
_MISSING = {"NoSuchKey", "404", "NotFound", "NoSuchBucket"}
_COPIED = {
    "CacheControl": "cache-control",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
}


class SiteServer:
    """Answers GET and HEAD from a bucket by S3's website rules."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._website: Website | None = None
        self._read_at = 0.0

    def answer(self, request: Request) -> Response:
        """Returns the response to a request. Blocks."""
        if request.method not in {"GET", "HEAD"}:
            return _error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        try:
            website = self._configuration()
            if website is None:
                return _error(
                    404, "NoSuchWebsiteConfiguration", f"The bucket {self._bucket} has no website configuration."
                )
            return self._serve(request, website)
        except (BotoCoreError, ClientError) as error:
            return _error(503, "ServiceUnavailable", f"The bucket cannot be read: {error}")

    def _serve(self, request: Request, website: Website) -> Response:
        raw_path: bytes = request.scope.get("raw_path") or request.url.path.encode()
        wanted = lookup(raw_path.split(b"?", 1)[0].decode("ascii", errors="replace"), website)
        found = self._object(wanted.key)
        if found is not None:
            return _object_response(request, found, 200)
        if wanted.folder_index and wanted.redirect and self._exists(wanted.folder_index):
            return Response(status_code=302, headers={"location": wanted.redirect})
        failed = self._object(website.error_key)
        if failed is not None:
            return _object_response(request, failed, 404)
        return _error(404, "NoSuchKey", f"The specified key does not exist: {wanted.key or ''}")

    def _configuration(self) -> Website | None:
        if self._website is None or time.monotonic() - self._read_at > CONFIGURATION_SECONDS:
            try:
                found = self._s3.get_bucket_website(Bucket=self._bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] in {"NoSuchWebsiteConfiguration", "NoSuchBucket"}:
                    return None
                raise
            self._website = Website(
                index_suffix=found.get("IndexDocument", {}).get("Suffix", "index.html"),
                error_key=found.get("ErrorDocument", {}).get("Key"),
            )
            self._read_at = time.monotonic()
        return self._website

    def _object(self, key: str | None) -> Any:
        if not key:
            return None
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return False
            raise
        return True


def _object_response(request: Request, found: Any, status: int) -> Response:
    body = found["Body"]
    modified: datetime = found["LastModified"]
    if redirect := found.get("WebsiteRedirectLocation"):
        body.close()
        return Response(status_code=301, headers={"location": redirect})
    headers = {
        "content-type": found.get("ContentType") or "application/octet-stream",
        "etag": found["ETag"],
        "last-modified": format_datetime(modified.astimezone(UTC), usegmt=True),
    }
    headers |= {name: found[field] for field, name in _COPIED.items() if found.get(field)}
    current = not_modified(
        found["ETag"],
        modified.timestamp(),
        request.headers.get("if-none-match"),
        _http_date(request.headers.get("if-modified-since")),
    )
    if status == 200 and current:
        body.close()
        return Response(status_code=304, headers={k: v for k, v in headers.items() if k != "content-type"})
    headers["content-length"] = str(found["ContentLength"])
    if request.method == "HEAD":
        body.close()
        return Response(status_code=status, headers=headers)
    chunks: Iterator[bytes] = body.iter_chunks(_CHUNK)
    return StreamingResponse(chunks, status_code=status, headers=headers)


def _http_date(value: str | None) -> float | None:
    if not value:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None


def _error(status: int, code: str, message: str) -> Response:
    page = (
        f"<html><head><title>{status} {code}</title></head><body><h1>{status} {code}</h1>"
        f"<p>{escape(message)}</p></body></html>\n"
    )
    return Response(page, status_code=status, media_type="text/html")


def site_app(s3: "S3Client", bucket: str) -> Starlette:
    """The app of one site."""
    server = SiteServer(s3, bucket)

    async def health(_request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def page(request: Request) -> Response:
        return await run_in_threadpool(server.answer, request)

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
    return Starlette(routes=[Route(HEALTH_PATH, health), Route("/{path:path}", page, methods=methods)])
