"""AWS clients for the local stack. They ignore the user's shell and ~/.aws."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config

from sitewright.local.machine.service_environment import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient, DynamoDBServiceResource
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

LOCAL_USER_AGENT = "sitewright-local"
"""In the user agent of the local stack's own tools: these calls are not made on AWS."""


@dataclass(frozen=True)
class Keys:
    """Credentials of the emulator's root user, or of a role's session."""

    access_key: str
    secret_key: str
    session_token: str | None = None


ROOT = Keys(ACCESS_KEY, SECRET_KEY)


@dataclass(frozen=True)
class Aws:
    """Clients of one endpoint. Each is created at its first use."""

    endpoint_url: str
    region: str
    keys: Keys = ROOT

    @cached_property
    def _session(self) -> boto3.Session:
        # Neither AWS_PROFILE nor the user's files: a profile that does not exist would raise here, one that does
        # could name another endpoint.
        core = botocore.session.Session(
            session_vars={
                "profile": (None, [], None, None),
                "config_file": (None, [], os.devnull, None),
                "credentials_file": (None, [], os.devnull, None),
            }
        )
        return boto3.Session(
            aws_access_key_id=self.keys.access_key,
            aws_secret_access_key=self.keys.secret_key,
            aws_session_token=self.keys.session_token,
            region_name=self.region,
            botocore_session=core,
        )

    @cached_property
    def _config(self) -> Config:
        # Buckets have dots in their names: path style. proxies={}: loopback is reached directly.
        return Config(
            proxies={},
            s3={"addressing_style": "path"},
            connect_timeout=3,
            read_timeout=30,
            retries={"total_max_attempts": 3, "mode": "standard"},
            max_pool_connections=32,
            user_agent_extra=LOCAL_USER_AGENT,
        )

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """CloudFormation."""
        return self._session.client("cloudformation", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def dynamodb(self) -> "DynamoDBServiceResource":
        """DynamoDB, resource API."""
        return self._session.resource("dynamodb", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def dynamodb_client(self) -> "DynamoDBClient":
        """DynamoDB, low-level API, as `sitewright.tables` needs it."""
        return self._session.client("dynamodb", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def ecs(self) -> "ECSClient":
        """ECS."""
        return self._session.client("ecs", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def events(self) -> "EventBridgeClient":
        """EventBridge."""
        return self._session.client("events", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        return self._session.client("lambda", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def iam(self) -> "IAMClient":
        """IAM."""
        return self._session.client("iam", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        return self._session.client("logs", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def s3(self) -> "S3Client":
        """S3."""
        return self._session.client("s3", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def sqs(self) -> "SQSClient":
        """SQS."""
        return self._session.client("sqs", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def ssm(self) -> "SSMClient":
        """Systems Manager."""
        return self._session.client("ssm", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def sfn(self) -> "SFNClient":
        """Step Functions."""
        return self._session.client("stepfunctions", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def sts(self) -> "STSClient":
        """Security Token Service."""
        return self._session.client("sts", endpoint_url=self.endpoint_url, config=self._config)
