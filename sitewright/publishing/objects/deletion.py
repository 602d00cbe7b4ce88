"""Deletes objects of the site: many in one request, and singly those that such a request cannot name.

DeleteObjects takes the keys as XML 1.0. S3 answers MalformedXML to a control character, and then deletes nothing of the
batch (boto3 issue 2005, aws-sdk-java issue 333). DeleteObject takes the key in the URL, which has no such limit.
"""

from collections.abc import Callable, Iterator, Sequence

from botocore.exceptions import ClientError

from sitewright.publishing.site_files import DELETE_BATCH
from sitewright.publishing.target import PublishTarget
from sitewright.retry import error_code

_MALFORMED = "MalformedXML"


def fits_xml(key: str) -> bool:
    """Tells whether XML 1.0 can carry a key unchanged (XML 1.0, production Char).

    A carriage return does not count: a parser turns it into a line feed.
    """
    return all(
        char in "\t\n" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
        for char in key
    )


def batches(keys: Sequence[str]) -> Iterator[list[str]]:
    """Yields the keys in the groups that one request can delete, those with a request of their own last."""
    many = [key for key in keys if fits_xml(key)]
    for start in range(0, len(many), DELETE_BATCH):
        yield many[start : start + DELETE_BATCH]
    for key in keys:
        if not fits_xml(key):
            yield [key]


def delete(target: PublishTarget, keys: Sequence[str], done: Callable[[str], None]) -> list[tuple[str, ClientError]]:
    """Deletes the keys of one batch, calls `done` with each deleted one, and returns those that S3 refused.

    Raises ClientError (the whole request was refused), BotoCoreError.
    """
    if len(keys) == 1 and not fits_xml(keys[0]):
        _delete_one(target, keys[0])
        done(keys[0])
        return []
    try:
        answer = target.s3.delete_objects(
            Bucket=target.bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
    except ClientError as error:
        if error_code(error) != _MALFORMED:
            raise
        return _delete_singly(target, keys, done)
    failed = {item.get("Key", ""): _error(item) for item in answer.get("Errors", [])}
    for key in keys:
        if key not in failed:
            done(key)
    return list(failed.items())


def _delete_singly(
    target: PublishTarget, keys: Sequence[str], done: Callable[[str], None]
) -> list[tuple[str, ClientError]]:
    refused = []
    for key in keys:
        try:
            _delete_one(target, key)
        except ClientError as error:
            refused.append((key, error))
        else:
            done(key)
    return refused


def _delete_one(target: PublishTarget, key: str) -> None:
    target.s3.delete_object(Bucket=target.bucket, Key=key)


def _error(item: object) -> ClientError:
    known = item if isinstance(item, dict) else {}
    text = {name: str(known.get(name, "")) for name in ("Code", "Message")}
    return ClientError({"Error": text}, "DeleteObjects")  # type: ignore[typeddict-item]
