"""The quotas, `quotas.toml`: the one place where a quota stands."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

TABLE = Path(__file__).with_name("quotas.toml")


@dataclass(frozen=True)
class Quota:
    """One quota. `checked` is None for one written down from memory."""

    what: str
    types: tuple[str, ...]
    """The CloudFormation types that count. Without types the stacks count."""
    where: str
    quota: int
    raised: str
    """How far AWS raises it."""
    source: str
    checked: date | None = None


def load() -> dict[str, Quota]:
    """Returns the quotas by key. A wrong entry raises TypeError or KeyError."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    entries.pop("uncounted")
    return {key: Quota(types=tuple(e.pop("types")), raised=e.pop("raise"), **e) for key, e in entries.items()}


def uncounted() -> Mapping[str, str]:
    """Returns the types of a site's resources that count for no quota, with the reason."""
    found: dict[str, str] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["uncounted"]
    return found
