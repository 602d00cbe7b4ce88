"""The ages at which S3 deletes objects: the numbers of the lifecycle rules, and the tags that the rules select by.

A lifecycle rule selects by prefix, tags or size (S3 User Guide, "Lifecycle configuration elements"). Keys in the artifacts
bucket begin with the client's id, so the rules there select by tags. The writer of an object sets its tag.
"""

DEPLOYMENTS_KEPT = 20
"""How many of the newest deployments a rollback can restore. The limit is VERSIONS_LIMIT / WRITES_PER_DEPLOYMENT, 20."""

TAG = "sitewright"
"""Key of the tag."""

CHECKPOINT = "checkpoint"
CHECKPOINT_DAYS = 365
"""Age at which S3 deletes a checkpoint.

The next checkpoint of a session deletes the previous one. Only a session's last checkpoint, and checkpoints left by a
crash, reach this age. A session's record ends RECORD_TTL_DAYS (90) after its newest command. A live session with a
checkpoint of a year would need four commands a quarter apart that all changed nothing. The rest of the year lets a
person search for edits that were never pushed.
"""

CACHE = "cache"
CACHE_DAYS = 30
"""Age at which S3 deletes an archive of node_modules or a session's build cache, even one in use. A build makes it again.

The price is one installation a month.
"""

ARTIFACT_VERSION_DAYS = 7
"""Days that S3 keeps an artifact after it was deleted or replaced, a checkpoint above all: time to notice a mistake.

Every command replaces some checkpoints, and each has the repository in it. A longer time would mostly keep copies of
edits that are in git.
"""

MULTIPART_DAYS = 1
"""Age at which S3 deletes the parts of an unfinished upload."""

WRITES_PER_DEPLOYMENT = 5
"""Noncurrent versions that one deployment may add to a key.

1. A partial publish of an interrupted build.
2. A manual write.
3. The repair of the manual write.
4. This publish's own write or delete marker.
5. A repetition of that write after a lost answer.

A reverted rollback adds two more. It is no deployment and is not counted: only dozens in a row would matter.
"""

VERSIONS_LIMIT = 100
"""S3's limit of noncurrent versions that a rule retains (S3 API reference, NoncurrentVersionExpiration)."""

VERSION_DAYS = 30
"""Minimum age (days) of a deleted version. A key may be written more often than WRITES_PER_DEPLOYMENT allows for."""

HASHED_PREFIX = "_astro/"
"""Prefix of keys whose content never changes (Astro's `build.assets`).

The site keeps such an object as long as a kept deployment contains it, so no rollback needs an older version. Only
VERSION_DAYS limits its versions. A count alone would never delete them: a deleted key gets no newer versions.
"""


def versions_kept(deployments: int = DEPLOYMENTS_KEPT) -> int:
    """Returns how many noncurrent versions of a key stay at any age, because a rollback may copy them.

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
    """Returns the `Tagging` parameter of an upload."""
    return f"{TAG}={value}"
