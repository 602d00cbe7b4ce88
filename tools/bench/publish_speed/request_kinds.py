"""Which kind of request to S3 a request is. Pure."""

from collections.abc import Collection
from urllib.parse import parse_qs

KINDS = ("GET", "HEAD", "LIST", "PUT", "COPY", "POST", "DELETE")


def kind_of(method: str, path: str, query: str, headers: Collection[str]) -> str:
    """One of KINDS.

    Args:
        method: of HTTP.
        path: `/bucket` or `/bucket/key`.
        query: without the question mark.
        headers: names, in lower case.
    """
    if method == "GET" and not path.strip("/").partition("/")[2]:
        return "LIST"
    if method == "POST" and "delete" in parse_qs(query, keep_blank_values=True):
        return "DELETE"
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "COPY"
    return method
