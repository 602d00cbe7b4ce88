"""The author of the commits that the service makes."""

import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from sitewright.contracts.base import Contract

_TEXT = re.compile(r"(?P<name>[^<>]+?) *<(?P<email>[^<>]+)>")
_NAME = re.compile(r"[^<>\x00-\x1f\x7f]*\w[^<>\x00-\x1f\x7f]*")
_EMAIL = re.compile(r"[^\s<>@\x00-\x1f\x7f]+@[^\s<>@\x00-\x1f\x7f]+")


class CommitAuthor(Contract):
    """Name and e-mail of a commit's author. The text form is git's: `Name <email>`.

    git drops angle brackets and refuses a name without a letter or digit (ident.c), so neither is accepted.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    name: Annotated[str, Field(max_length=100)]
    email: Annotated[str, Field(max_length=254)]

    @model_validator(mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
        return match.groupdict() if match else value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("must have a letter or a digit, and no angle bracket or control character")
        return value.strip()

    @field_validator("email")
    @classmethod
    def _email(cls, value: str) -> str:
        if not _EMAIL.fullmatch(value):
            raise ValueError("must be an e-mail address")
        return value

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


DEFAULT_AUTHOR = CommitAuthor(name="Sitewright", email="sitewright@sitewright.invalid")
"""Nobody's address: no mail domain ends with `.invalid` (RFC 2606). So no git host links the commits to an account."""
