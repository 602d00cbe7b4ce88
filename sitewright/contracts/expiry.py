"""How long S3 keeps what nothing refers to any more: the numbers of the lifecycle rules, and the tags they select by.

A lifecycle rule selects by prefix, tags or size (S3 User Guide, "Lifecycle configuration elements"). Keys in the artifacts
bucket begin with the client's id, so the rules there select by tags. Whoever writes an object tags it.
"""

DEPLOYMENTS_KEPT = 20
"""The newest deployments, which a rollback can restore. Their limit is VERSIONS_LIMIT / WRITES_PER_DEPLOYMENT, which is 20."""

TAG = "sitewright"
"""Key of the tag."""

CHECKPOINT = "checkpoint"
CHECKPOINT_DAYS = 365
"""Age at which S3 deletes a checkpoint.

The next checkpoint of a session deletes the one before it. Only the last one of a session, and those that a crash left
behind, get this old. A session's record ends RECORD_TTL_DAYS (90) after its newest command. A live session with a
checkpoint of a year would need four commands a quarter apart that all changed nothing. The rest of the year is for a
person who looks for edits that were never pushed.
"""

CACHE = "cache"
CACHE_DAYS = 30
"""Age at which S3 deletes an archive of node_modules, in use or not. The next build then makes it again: one
installation a month."""

MULTIPART_DAYS = 1
"""Age at which S3 deletes the parts of an unfinished upload."""

WRITES_PER_DEPLOYMENT = 5
"""Noncurrent versions that one deployment may add to a key.

They are: a partial publish of an interrupted build, a manual write, the repair of it, this publish's own write or delete
marker, and a repetition of that write after a lost answer. A rollback that was undone adds two more. It is no deployment
and not counted: only dozens of them in a row would matter.
"""

VERSIONS_LIMIT = 100
"""S3's limit of noncurrent versions that a rule retains (S3 API reference, NoncurrentVersionExpiration)."""

VERSION_DAYS = 30
"""A version stays at least this long: a key may be written more often than WRITES_PER_DEPLOYMENT allows for."""

HASHED_PREFIX = "_astro/"
"""Keys whose content never changes (Astro's `build.assets`).

They stay in the site as long as a kept deployment has them, so no rollback needs an older version. VERSION_DAYS alone ends
their versions. A count alone would never end them: a deleted key gets no newer versions.
"""


def versions_kept(deployments: int = DEPLOYMENTS_KEPT) -> int:
    """The noncurrent versions of a key that stay whatever their age, because a rollback may copy them.

    Raises ValueError if S3 cannot keep so many.
    """
    versions = deployments * WRITES_PER_DEPLOYMENT
    if versions > VERSIONS_LIMIT:
        raise ValueError(
            f"{deployments} deployments need {versions} noncurrent versions, S3 keeps {VERSIONS_LIMIT}: "
            f"set DEPLOYMENTS_KEPT to at most {VERSIONS_LIMIT // WRITES_PER_DEPLOYMENT}"
        )
    return versions


def tagging(value: str) -> str:
    """The `Tagging` parameter of an upload."""
    return f"{TAG}={value}"
