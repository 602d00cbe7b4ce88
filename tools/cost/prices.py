"""The price list, `prices.toml`: the one place where a price stands."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

TABLE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True)
class Price:
    """`usd` dollars for `per` units. `checked` is None for one written down from memory."""

    usd: float
    per: float
    what: str
    unit: str
    source: str
    checked: date | None = None

    def of(self, units: float) -> float:
        """Dollars for so many units."""
        return units * self.usd / self.per


def load() -> dict[str, Price]:
    """Prices by key. A wrong entry raises TypeError."""
    return {key: Price(**entry) for key, entry in tomllib.loads(TABLE.read_text(encoding="utf-8")).items()}
