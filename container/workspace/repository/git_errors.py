"""Classifies git's errors by git's output (LC_ALL=C). Pure."""

import re
from enum import StrEnum


class Refusal(StrEnum):
    """Why a fetch or push failed."""

    AUTH = "auth"
    """The host rejects the token, or the token cannot see the repository. A retry would fail too."""
    UNAVAILABLE = "unavailable"
    """The host did not answer, or answered with 5xx: retry."""
    DIVERGED = "diverged"
    """The remote branch has commits that the checkout lacks, or another push was faster: fetch, rebase, push again."""
    REJECTED = "rejected"
    """The host's rules forbid the push: a protected branch, a hook, a size limit. `host_rules` reads which."""
    OTHER = "other"


# GitHub and GitLab answer 404 "Repository not found" to a token without access.
_AUTH = re.compile(
    r"authentication failed|returned error: 40[134]|invalid username or (password|token)"
    r"|could not read (username|password)|access denied|permission to .+ denied|repository (.+ )?not found"
    r"|write access to repository not granted",
    re.IGNORECASE,
)
_RACE = re.compile(r"cannot lock ref|failed to update ref|incorrect old value|reference already exists", re.IGNORECASE)
_DIVERGED = re.compile(r"\[rejected\]|non-fast-forward|fetch first", re.IGNORECASE)
_REJECTED = re.compile(
    r"\[remote rejected\]|hook declined|protected branch|GH0\d\d|returned error: 413|HTTP (?:code = )?413"
    r"|pack exceeds maximum allowed size",
    re.IGNORECASE,
)
_UNAVAILABLE = re.compile(
    r"could not resolve host|failed to connect|couldn't connect|connection (refused|timed out|reset|was reset)"
    r"|timed out|returned error: (5\d\d|429)|empty reply|early eof|rpc failed|unexpected disconnect|hung up"
    r"|ssl|gnutls|tls|operation too slow|network is unreachable|no route to host|recv failure|send failure"
    r"|transfer closed|http/2 stream|unable to access",
    re.IGNORECASE,
)

_LACKS = re.compile(r"not our ref|want \w+ not valid|TF401035", re.IGNORECASE)
"""The words of git, JGit (Gerrit) and Azure DevOps for a commit that the host does not have."""

_TIPS_ONLY = re.compile(r"unadvertised object", re.IGNORECASE)
"""git's words where the host speaks no version 2 of the protocol and serves the newest commits of its branches only."""


class BundleVerdict(StrEnum):
    """Why a bundle could not be read."""

    DAMAGED = "damaged"
    """The bundle's content is damaged. A retry would fail too."""
    MACHINE = "machine"
    """The machine has no space or no memory."""
    OPEN = "open"
    """git's output does not show the cause."""


_DAMAGED = re.compile(
    r"does not look like a v\d .*bundle|bad (?:bundle|object|pack)|unrecognized header|corrupt|inflate"
    r"|index-pack (?:died|failed)"
    r"|pack (?:signature|has)|early eof|premature end|sha1 mismatch|hash mismatch|not a valid (?:object|'?\w*'? object)"
    r"|(?:lacks|missing).*(?:prerequisite|necessary) (?:commits|objects)|did not send all necessary objects"
    r"|invalid (?:sha1|object id)",
    re.IGNORECASE,
)
_MACHINE = re.compile(
    r"no space left|cannot allocate memory|out of memory|disk quota exceeded|too many open files|resource temporarily unavailable"
    r"|read-only file system|input/output error|cannot fork|cannot create thread",
    re.IGNORECASE,
)


def classify_bundle(output: str) -> BundleVerdict:
    """Classifies git's output about a bundle that it refused."""
    if _MACHINE.search(output):
        return BundleVerdict.MACHINE
    return BundleVerdict.DAMAGED if _DAMAGED.search(output) else BundleVerdict.OPEN


def classify(output: str) -> Refusal:
    """Returns the refusal in git's output (stdout of --porcelain and stderr together)."""
    if _REJECTED.search(output):
        return Refusal.DIVERGED if _RACE.search(output) else Refusal.REJECTED
    if _DIVERGED.search(output):
        return Refusal.DIVERGED
    if _AUTH.search(output):
        return Refusal.AUTH
    if _UNAVAILABLE.search(output):
        return Refusal.UNAVAILABLE
    return Refusal.OTHER


def lacks_commit(output: str) -> bool:
    """Returns whether a host said that it does not have a commit. Other failures of a fetch are no proof of that."""
    return classify(output) is Refusal.OTHER and bool(_LACKS.search(output))


def serves_tips_only(output: str) -> bool:
    """Returns whether a commit was not asked for, because the host serves no commits by their ids."""
    return bool(_TIPS_ONLY.search(output))


def host_words(output: str, limit: int = 1500) -> str:
    """Returns the host's own lines (`remote:`) and git's reason, for a person. Keeps the end of a long text."""
    lines = [line.strip() for line in output.splitlines()]
    said = [line for line in lines if line.startswith(("remote:", "!", "fatal:", "error:"))]
    text = "\n".join(said or [line for line in lines if line])
    return text[-limit:]
