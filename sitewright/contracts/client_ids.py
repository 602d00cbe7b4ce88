"""The ids of a message that are strings, but not of our alphabet: what stands for them in SQS and DynamoDB. Pure."""

import hashlib
import json
import re

MAX_ID_BYTES = 32 * 1024
"""Of an id as JSON. Both ids are kept on the command's item twice, itself and in its response; an item holds 400 KB."""

_HASH_PREFIX = "~"

# SQS API reference, SendMessage: MessageGroupId and MessageDeduplicationId have 1 to 128 of these characters. DynamoDB takes
# 1 to 2,048 bytes as a partition key and 1 to 1,024 as a sort key (Developer Guide, "Constraints in Amazon DynamoDB").
_GROUP_ID = re.compile(r"[!-~]{1,128}")


def id_fault(name: str, value: object) -> str | None:
    """Returns why a response cannot repeat this id, or None if it can."""
    if not isinstance(value, str):
        return f"{name} is no string"
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        return f"{name} holds half of a surrogate pair, which is no text"
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_ID_BYTES:
        return f"{name} takes {size} bytes, and a response repeats ids of at most {MAX_ID_BYTES}"
    return None


def storable_id(value: str) -> str:
    """Returns the id as SQS and DynamoDB take it: itself, or a hash of it."""
    # An id that looks like a hash is hashed too: otherwise two ids could become one.
    if _GROUP_ID.fullmatch(value) and not value.startswith(_HASH_PREFIX):
        return value
    return _HASH_PREFIX + hashlib.sha256(value.encode()).hexdigest()
