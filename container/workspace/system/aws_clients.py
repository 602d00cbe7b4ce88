"""AWS clients, created at their first use, because each one takes 5 to 100 ms of a cold start."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import NoCredentialsError
from botocore.utils import determine_content_length

from sitewright.publishing.objects.workers import THREADS
from sitewright.publishing.target import small_object_client

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from mypy_boto3_cloudfront import CloudFrontClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

    from sitewright.publishing.target import SmallObjectClient

_CONTROL = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2})
"""For calls that keep the claim alive. Two attempts end before CLAIM_SECONDS, and the caller repeats the call
itself."""

_REPORT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})

_BULK = Config(
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=THREADS + 8,
    retries={"mode": "standard", "total_max_attempts": 5},
)

EXPECT_BYTES = 2**20
"""A body of this size or more is sent only after S3's `100 Continue`, so that a refusal costs no upload. Botocore waits
for it with any body, which costs a small body one more round trip. AWS's SDKs for Java, JavaScript, Kotlin and Go have
such a threshold: https://github.com/aws/aws-sdk-java-v2/pull/6864 (1 MB; up to 30 % less latency below it)."""


class Clients:
    """The clients of one workspace: one boto3 session, one client a service. Safe to use from any thread."""

    def __init__(self, session: boto3.Session | None = None) -> None:
        self._session = session
        self._made: dict[str, Any] = {}
        self._secrets: dict[str, str] = {}
        self._small_objects: SmallObjectClient | None = None
        self._lock = threading.Lock()

    @property
    def dynamodb(self) -> DynamoDBClient:
        """The DynamoDB client. Its timeouts are short, because it refreshes the claim."""
        client: DynamoDBClient = self._client("dynamodb", _CONTROL)
        return client

    @property
    def s3(self) -> S3Client:
        """The S3 client, with a connection for each parallel request of a publish.

        Some more connections serve the lease's renewal and checkpoints meanwhile.
        """
        client: S3Client = self._client("s3", _BULK)
        return client

    @property
    def small_objects(self) -> SmallObjectClient | None:
        """The client for the many small files of a publish."""
        s3 = self.s3
        with self._lock:
            if self._small_objects is None:
                session: Any = self._session
                self._small_objects = small_object_client(s3, session.get_credentials, os.environ.get("AWS_CA_BUNDLE"))
            return self._small_objects

    @property
    def stepfunctions(self) -> SFNClient:
        """The client for heartbeats and reports."""
        client: SFNClient = self._client("stepfunctions", _REPORT)
        return client

    @property
    def cloudfront(self) -> CloudFrontClient:
        """The client for the invalidation after a publish."""
        client: CloudFrontClient = self._client("cloudfront", _REPORT)
        return client

    @property
    def ssm(self) -> SSMClient:
        """The client for `secret`."""
        client: SSMClient = self._client("ssm", _REPORT)
        return client

    def secret(self, name: str) -> str:
        """Returns a secret's text, fetched once a step. Raises botocore's ClientError (no such parameter, not allowed)."""
        value = self._secrets.get(name)
        if value is None:
            value = self.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"].strip()
            self._secrets[name] = value
        return value

    @property
    def region(self) -> str:
        """The region of the task."""
        return str(self.ssm.meta.region_name)

    def credentials(self) -> ReadOnlyCredentials:
        """Returns the task role's credentials of the moment. Raises botocore's BotoCoreError."""
        with self._lock:
            if self._session is None:
                self._session = boto3.Session()
            found = self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = found.get_frozen_credentials()
        return frozen

    def forget_secrets(self) -> None:
        """Makes the next use fetch secrets again. An operator may have corrected one since the previous step."""
        self._secrets.clear()

    def _client(self, service: str, config: Config) -> Any:
        # boto3's clients are thread safe, but their creation from one session is not.
        with self._lock:
            if service not in self._made:
                if self._session is None:
                    self._session = boto3.Session()
                # mypy-boto3 types `client` by overloads over literal names only.
                made: Any = self._session.client(service, config=config)  # type: ignore[call-overload]
                made.meta.events.register_last("before-call.s3", _unannounced)
                self._made[service] = made
            return self._made[service]


def _unannounced(params: Any, **_: Any) -> None:
    headers, length = params["headers"], determine_content_length(params.get("body"))
    if length is not None and length < EXPECT_BYTES:
        headers.pop("Expect", None)
