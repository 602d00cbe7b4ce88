"""A model of S3 with versions, conditional writes, its own clock, and a hook before each request.

moto answers like S3, but cannot be stopped between any two requests, and its clock cannot be set. Requests take effect
one at a time, because S3 orders the writes of one key. tests/unit/publishing/test_model_s3.py compares it with moto.
"""

import hashlib
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def refused(code: str, status: int, clock: float = 0.0) -> ClientError:
    headers = {"date": format_datetime(datetime.fromtimestamp(EPOCH + clock, UTC), usegmt=True)}
    meta: Any = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return ClientError({"Error": {"Code": code, "Message": code}, "ResponseMetadata": meta}, "Model")


@dataclass
class Version:
    id: str
    body: bytes | None
    """None: a delete marker."""
    headers: tuple[str, str] = ("", "")
    modified: float = 0.0

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body or b"").hexdigest()


@dataclass
class Store:
    """The state that all clients share."""

    clock: float = 0.0
    seconds_a_request: float = 0.0
    page: int = 1000
    """The number of entries in one page of a listing."""
    objects: dict[tuple[str, str], list[Version]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.RLock)
    number: int = 0
    undeletable: set[str] = field(default_factory=set)

    def newest(self, bucket: str, key: str) -> Version | None:
        versions = self.objects.get((bucket, key), [])
        return versions[-1] if versions and versions[-1].body is not None else None

    def live(self, bucket: str) -> dict[str, bytes]:
        found = {}
        for there, key in self.objects:
            version = self.newest(there, key)
            if there == bucket and version is not None and version.body is not None:
                found[key] = version.body
        return found

    def add(self, bucket: str, key: str, body: bytes | None, headers: tuple[str, str] = ("", "")) -> Version:
        self.number += 1
        version = Version(f"v{self.number}", body, headers, self.clock)
        self.objects.setdefault((bucket, key), []).append(version)
        return version


@dataclass
class ModelS3:
    """One publisher's client.

    `before(operation, key)` may raise. `after` may raise too, after the request was executed.
    """

    store: Store
    before: Callable[[str, str], None] = lambda *_: None
    after: Callable[[str, str], None] = lambda *_: None
    requests: list[tuple[str, str]] = field(default_factory=list)
    handlers: dict[str, Any] = field(default_factory=dict)

    @property
    def meta(self) -> Any:
        return self

    @property
    def events(self) -> Any:
        return self

    def register_first(self, event: str, handler: Any, unique_id: str) -> None:
        self.handlers[unique_id] = handler

    def unregister(self, event: str, unique_id: str) -> None:
        del self.handlers[unique_id]

    def _request(self, operation: str, key: str, work: Callable[[], Any]) -> Any:
        self.before(operation, key)
        for handler in list(self.handlers.values()):
            handler()
        with self.store.lock:
            self.requests.append((operation, key))
            self.store.clock += self.store.seconds_a_request
            answer = work()
        self.after(operation, key)
        return answer

    def _meta(self) -> Any:
        date = datetime.fromtimestamp(EPOCH + int(self.store.clock), UTC)
        return {"HTTPHeaders": {"date": format_datetime(date, usegmt=True)}}

    def get_object(self, Bucket: str, Key: str, IfNoneMatch: str | None = None) -> Any:
        def work() -> Any:
            version = self.store.newest(Bucket, Key)
            if version is None:
                raise refused("NoSuchKey", 404)
            if IfNoneMatch == f'"{version.etag}"':
                raise refused("304", 304, self.store.clock)
            modified = datetime.fromtimestamp(EPOCH + int(version.modified), UTC)
            return {
                "Body": io.BytesIO(version.body or b""),
                "ETag": f'"{version.etag}"',
                "LastModified": modified,
                "ResponseMetadata": self._meta(),
            }

        return self._request("get", Key, work)

    def put_object(self, Bucket: str, Key: str, Body: Any, **more: Any) -> Any:
        def work() -> Any:
            there = self.store.newest(Bucket, Key)
            if more.get("IfNoneMatch") == "*" and there is not None:
                raise refused("PreconditionFailed", 412)
            if "IfMatch" in more:
                if there is None:
                    raise refused("NoSuchKey", 404)
                if more["IfMatch"] != f'"{there.etag}"':
                    raise refused("PreconditionFailed", 412)
            body = Body if isinstance(Body, bytes) else Body.read()
            headers = (more.get("ContentType", ""), more.get("CacheControl", ""))
            version = self.store.add(Bucket, Key, body, headers)
            return {"ETag": f'"{version.etag}"', "VersionId": version.id}

        return self._request("put", Key, work)

    def copy_object(self, Bucket: str, Key: str, CopySource: Any, MetadataDirective: str) -> Any:
        def work() -> Any:
            assert MetadataDirective == "COPY"
            for version in self.store.objects.get((CopySource["Bucket"], CopySource["Key"]), []):
                if version.id == CopySource["VersionId"] and version.body is not None:
                    made = self.store.add(Bucket, Key, version.body, version.headers)
                    return {"CopyObjectResult": {"ETag": f'"{made.etag}"'}, "VersionId": made.id}
            raise refused("NoSuchVersion", 404)

        return self._request("copy", Key, work)

    def head_object(self, Bucket: str, Key: str, VersionId: str) -> Any:
        def work() -> Any:
            if all(v.id != VersionId for v in self.store.objects.get((Bucket, Key), [])):
                raise refused("404", 404)
            return {"VersionId": VersionId}

        return self._request("head", Key, work)

    def list_objects_v2(self, Bucket: str, ContinuationToken: str = "0") -> Any:
        def work() -> Any:
            start = int(ContinuationToken)
            live = sorted(self.store.live(Bucket).items())
            answer: Any = {
                "Contents": [
                    {"Key": key, "ETag": f'"{hashlib.md5(body).hexdigest()}"', "Size": len(body)}
                    for key, body in live[start : start + self.store.page]
                ]
            }
            more = start + self.store.page
            following = {"IsTruncated": True, "NextContinuationToken": str(more)} if more < len(live) else {}
            return answer | following

        return self._request("list", "", work)

    def delete_objects(self, Bucket: str, Delete: Any) -> Any:
        def work() -> Any:
            if any(ord(char) < 32 and char not in "\t\n\r" for item in Delete["Objects"] for char in item["Key"]):
                raise refused("MalformedXML", 400)
            errors = []
            for item in Delete["Objects"]:
                if item["Key"] in self.store.undeletable:
                    errors.append({"Key": item["Key"], "Code": "AccessDenied", "Message": "no"})
                else:
                    self.store.add(Bucket, item["Key"], None)
            return {"Errors": errors}

        return self._request("delete", "", work)

    def delete_object(self, Bucket: str, Key: str) -> Any:
        def work() -> Any:
            if Key in self.store.undeletable:
                raise refused("AccessDenied", 403)
            self.store.add(Bucket, Key, None)
            return {}

        return self._request("delete", Key, work)
