"""Compares the model of S3 with moto, request by request."""

from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.support.publishing.model_s3 import ModelS3, Store

REGION, BUCKET = "us-west-2", "site"
FIRST, SECOND = b"<h1>One</h1>", b"<h1>Two</h1>"


def answers(s3: Any) -> list[Any]:
    """Runs one sequence of requests on a client. Returns what a publisher reads from the answers."""
    found: list[Any] = []

    def ask(operation: str, *parts: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(s3, operation)(Bucket=BUCKET, **arguments)
        except ClientError as error:
            found.append(
                (operation, error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
            )
            return {}
        found.append((operation, *(answer.get(part) for part in parts)))
        return answer

    ask("get_object", Key="a")
    first = ask("put_object", "ETag", Key="a", Body=FIRST, IfNoneMatch="*")
    ask("put_object", "ETag", Key="a", Body=SECOND, IfNoneMatch="*")
    second = ask("put_object", "ETag", Key="a", Body=SECOND, IfMatch=first["ETag"])
    ask("put_object", "ETag", Key="a", Body=b"late", IfMatch=first["ETag"])
    ask("put_object", "ETag", Key="b", Body=b"none", IfMatch=first["ETag"])
    ask("get_object", "ETag", Key="a", IfNoneMatch=second["ETag"])
    found.append(ask("get_object", "ETag", Key="a", IfNoneMatch=first["ETag"])["Body"].read())
    source = {"Bucket": BUCKET, "Key": "a", "VersionId": first["VersionId"]}
    copied = ask("copy_object", Key="a", CopySource=source, MetadataDirective="COPY")
    found.append(copied["CopyObjectResult"]["ETag"])
    ask("head_object", Key="a", VersionId=second["VersionId"])
    ask("put_object", "ETag", Key="c", Body=SECOND)
    ask("delete_objects", Delete={"Objects": [{"Key": "a"}, {"Key": "never there"}]})
    ask("get_object", Key="a")
    ask("copy_object", Key="d", CopySource=source, MetadataDirective="COPY")
    listed = ask("list_objects_v2", "NextContinuationToken")["Contents"]
    found.append([(entry["Key"], entry["ETag"], entry["Size"]) for entry in listed])
    return found


def test_it_answers_as_moto_does() -> None:
    with mock_aws():
        s3 = boto3.client("s3", REGION, aws_access_key_id="x", aws_secret_access_key="x")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        expected = answers(s3)
    assert answers(ModelS3(Store())) == expected
