"""How long S3 keeps what nothing refers to any more: the numbers of the lifecycle rules, and the tags they go by.

Lifecycle filters are a prefix, tags or sizes (S3 User Guide, "Lifecycle configuration elements"), and in the artifacts bucket
the client's id comes first, so its rules go by tags. Who writes an object tags it.
"""

DEPLOYMENTS_KEPT = 20
"""The newest deployments: those a rollback can go to."""

TAG = "sitewright"
"""Key of the tag."""

CHECKPOINT = "checkpoint"
CHECKPOINT_DAYS = 365
"""A checkpoint is deleted by the one that replaces it, so only what a crash left behind, and the last one of a session, gets that
old. A session ends RECORD_TTL_DAYS (90) after its newest command, and with it the pointer: a year-old checkpoint
of a live session would need four commands a quarter apart that all changed nothing. The rest of the year is for a
person who looks for edits that were never pushed."""

CACHE = "cache"
CACHE_DAYS = 30
"""Of an archive of node_modules. Its age says nothing about its use; one that is in use and goes is made anew by
the next build, which costs one installation a month."""

MULTIPART_DAYS = 1
"""An upload in parts that was not finished."""

WRITES_PER_DEPLOYMENT = 5
"""Noncurrent versions that one deployment may add to a key: a partial publish of an interrupted build, somebody's write
by hand, its healing, this publish's own write or delete marker, and a repetition of it whose first answer got lost. A
rollback that was put back adds two and is no deployment: not counted, for it takes dozens of them in a row to matter."""

VERSIONS_KEPT = DEPLOYMENTS_KEPT * WRITES_PER_DEPLOYMENT
"""Noncurrent versions of a key that stay whatever their age, because a rollback may copy them. S3 takes at most 100."""

VERSION_DAYS = 30
"""For that long a version stays in any case: a key may be written more often than the above allows for."""

HASHED_PREFIX = "_astro/"
"""Keys whose content never changes (Astro's `build.assets`). They stay in the site for as long as a deployment that is kept
has them, so no rollback needs an older version of one, and VERSION_DAYS alone ends these. With the count alone they
would never end: a key that is gone gets no newer versions."""


def tagging(value: str) -> str:
    """The `Tagging` parameter of an upload."""
    return f"{TAG}={value}"
