"""The two messages of the interface: the command and its response."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, AliasChoices, Field, StrictBool, StringConstraints, model_validator

from sitewright.contracts.base import Contract
from sitewright.contracts.error_codes import ALLOWABLE, ErrorCode, ErrorInfo

MAX_INSTRUCTION_BYTES = 256 * 1024
"""Maximum size of an instruction. A DynamoDB item is limited to 400 KB, which the command's results share with it."""

MAX_FILES_LISTED = 500
"""`filesChanged` lists at most this many paths; `filesChangedCount` counts all."""


def _git_safe(value: str) -> str:
    # git check-ref-format: no "..", no component ending in ".lock", no trailing dot.
    if ".." in value or value.endswith((".", ".lock")):
        raise ValueError("must be usable in a git branch name: no '..', no '.' or '.lock' at the end")
    return value


def _instruction(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    size = len(value.encode("utf-8", errors="surrogatepass"))
    if size > MAX_INSTRUCTION_BYTES:
        raise ValueError(f"is {size} bytes long, at most {MAX_INSTRUCTION_BYTES} are accepted")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise ValueError("holds half of a surrogate pair, which is no text")
    if "\0" in value:
        raise ValueError("holds a NUL character, which is no text")
    return value


def _allowable(codes: list[ErrorCode]) -> list[ErrorCode]:
    if not set(codes) <= set(ALLOWABLE):
        raise ValueError(f"may have {', '.join(ALLOWABLE)} only")
    return sorted(set(codes))


ClientId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$")]
"""Part of a bucket's and a host's name: lower case, digits, inner hyphens, 1 to 32 characters."""

OpaqueId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@+=-]{0,127}$")]
"""A session's or command's id: 1 to 128 characters that SQS, DynamoDB and S3 keys all allow."""

ThreadId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"), AfterValidator(_git_safe)]
"""A chat thread's id: part of a git branch name, 1 to 100 characters."""


class Command(Contract):
    """One message of a session, as a client sends it. `command` is accepted as another name of `instruction`.

    With `prepare` it has no instruction: the session's workspace gets ready for the first one.
    """

    session_id: OpaqueId
    command_id: OpaqueId
    client_id: ClientId
    chat_thread_id: ThreadId
    instruction: Annotated[str, AfterValidator(_instruction)] | None = Field(
        None, validation_alias=AliasChoices("instruction", "command"), serialization_alias="instruction"
    )
    user_id: Annotated[str, StringConstraints(max_length=256)] | None = None
    sent_at: Annotated[int, Field(strict=True, ge=0)] | None = None
    """When the client sent it, in milliseconds since the epoch. SQS forgets it when a message is redriven."""
    prepare: StrictBool = False
    allow: Annotated[list[ErrorCode], Field(max_length=20), AfterValidator(_allowable)] = []
    """Refusals of a publish that do not count for this command: an operator means what the judge takes for an accident."""

    @model_validator(mode="after")
    def _instruction_or_prepare(self) -> Self:
        if self.prepare and self.instruction is not None:
            raise ValueError("prepare takes no instruction: send the instruction in a message of its own")
        if not self.prepare and self.instruction is None:
            raise ValueError("needs an instruction")
        return self


class ResponseStatus(StrEnum):
    """How a command ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    TIMED_OUT = "timed_out"
    REJECTED = "rejected"


class Response(Contract):
    """The only response to a command. `success` is true exactly when `status` is `succeeded`.

    A run whose build or publish failed counts as succeeded: the edit is committed and pushed. `build_success`,
    `deploy_success` and `error` then say that the site did not change.
    """

    client_id: str | None = None
    """None if the message had no valid clientId. The ids of session and command are unique in their client only."""
    session_id: str
    command_id: str
    timestamp: int
    """Milliseconds since the epoch at which the response was made."""
    success: bool
    status: ResponseStatus
    summary: str = ""
    files_changed: list[str] = []
    files_changed_count: int = 0
    site_url: str | None = None
    commit: str | None = None
    pushed: bool = False
    build_success: bool | None = None
    """None where no build was tried."""
    deploy_success: bool | None = None
    """None where no publish was tried."""
    pages_removed: list[str] = []
    """The first pages that the publish removed from the site, as paths."""
    pages_removed_count: int = 0
    error: ErrorInfo | None = None
    cost_usd: float | None = None
    duration_ms: int | None = None
    superseded_by: str | None = None
    covers: list[str] = []
    """The ids of interrupted commands whose wishes this command took over, the oldest first. They share its outcome."""

    def message_body(self) -> str:
        """Returns the response as JSON that SQS delivers unchanged.

        U+FFFE and U+FFFF are no characters of XML, and SQS replaces or refuses them (API reference, SendMessage,
        `MessageBody`). JSON escapes all other characters that SQS refuses.
        """
        return self.to_json().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
