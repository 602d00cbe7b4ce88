"""Checks the ids of a rejected message, and replaces ids that SQS or DynamoDB does not take by hashes. Pure."""

import hashlib
import json
import re

MAX_ID_BYTES = 32 * 1024
"""Maximum size of an id as JSON. The command's item contains both ids twice, once in the response; its limit is 400 KB."""

_HASH_PREFIX = "~"

# SQS API reference, SendMessage: MessageGroupId and MessageDeduplicationId have 1 to 128 of these characters. DynamoDB takes
# 1 to 2,048 bytes as a partition key and 1 to 1,024 as a sort key (Developer Guide, "Constraints in Amazon DynamoDB").
_GROUP_ID = re.compile(r"[!-~]{1,128}")


def id_fault(name: str, value: object) -> str | None:
    """Returns the reason why a response cannot repeat this id; None if it can."""
    if not isinstance(value, str):
        return f"{name} is no string"
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        return f"{name} holds half of a surrogate pair, which is no text"
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_ID_BYTES:
        return f"{name} takes {size} bytes, and a response repeats ids of at most {MAX_ID_BYTES}"
    return None


def storable_id(value: str) -> str:
    """Returns the id itself if SQS and DynamoDB take it, otherwise a hash of it. Also for a message group of two ids."""
    # An id that looks like a hash is hashed too. Otherwise two ids could become the same.
    if _GROUP_ID.fullmatch(value) and not value.startswith(_HASH_PREFIX):
        return value
    return _HASH_PREFIX + hashlib.sha256(value.encode()).hexdigest()
