"""How many PUTs a second the endpoint takes from a client that does next to nothing itself."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor

from sitewright.local.machine.ports import LOOPBACK
from sitewright.local.machine.service_environment import ACCESS_KEY
from sitewright.local.stack.cdk_deploy import REGION

_THREADS, _EACH = 16, 60
_BODY = b"x" * 8192
_HEADERS = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}
"""The emulator looks at the region and not at the signature."""


def puts_per_second(port: int, bucket: str) -> float:
    """With 16 connections and bodies of 8 KiB; the best of three turns, for it is a ceiling."""
    return max(_turn(port, bucket) for _ in range(3))


def _turn(port: int, bucket: str) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda number: _work(port, bucket, number), range(_THREADS)):
            pass
    return _THREADS * _EACH / (time.monotonic() - began)


def _work(port: int, bucket: str, number: int) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    for turn in range(_EACH):
        connection.request("PUT", f"/{bucket}/{number}-{turn}", _BODY, _HEADERS)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"PUT: {answer.status} {said[:200]!r}")
    connection.close()
