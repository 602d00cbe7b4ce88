"""What the requests of one run of Claude Code cost, those under way included."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sitewright.contracts.model_prices import PRICES, Usage, model_name, usd
from workspace.agent.model_proxy.answer_meter import AnswerMeter
from workspace.agent.model_proxy.request_rules import RefusalError

FINAL_STATUS = 402
"""Claude Code 2.1.330 does not repeat a request that is answered with 402, and ends. It repeats 400 with fewer beta
features, 401, and Bedrock's 403."""

OVERSHOOT_USD = 0.5
"""An answer is cut off once the run has cost twice its limit, and this more. Requests in parallel could otherwise
cost many times the limit, because each begins before the others' costs are known."""

_BYTES_PER_TOKEN = 4


@dataclass
class Entry:
    """The cost of one request."""

    meter: AnswerMeter
    body_bytes: int
    regional: bool
    closed_usd: float | None = None

    @property
    def usd(self) -> float:
        """US dollars: what the answer has told, or the final amount."""
        return self._price(self.meter.usage) if self.closed_usd is None else self.closed_usd

    @property
    def estimate_usd(self) -> float:
        """US dollars if the answer ended here."""
        return self._price(self.meter.estimate) if self.closed_usd is None else self.closed_usd

    def _price(self, usage: Usage) -> float:
        return usd(usage, self.meter.model, regional=self.regional)

    def cut_off_usd(self) -> float:
        """Returns the cost of a request whose answer is cut off now. Without any answer its prompt counts."""
        if self.meter.begun:
            return self.estimate_usd
        return self._price(Usage(input_tokens=self.body_bytes // _BYTES_PER_TOKEN))


@dataclass
class Ledger:
    """Adds the costs, and refuses requests once the limit is reached."""

    limit_usd: float
    log: Callable[..., None] = field(repr=False)
    refused: bool = False
    """Whether a request was refused because of the limit."""
    key_refusal: str = ""
    """Why the model's API refused the runner's key or role; empty if it did not."""
    _entries: list[Entry] = field(default_factory=list, repr=False)
    _unknown: set[str] = field(default_factory=set, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def usd(self) -> float:
        """US dollars so far."""
        with self._lock:
            return sum(entry.usd for entry in self._entries)

    @property
    def requests(self) -> int:
        """The number of metered requests."""
        return len(self._entries)

    def check(self) -> None:
        """Raises RefusalError once the limit is reached."""
        if self.usd >= self.limit_usd:
            self.refused = True
            raise RefusalError(FINAL_STATUS, "billing_error", "The budget of this command is used up.")

    def refuse_key(self, why: str) -> RefusalError:
        """Notes that the model's API refuses the runner's key or role. Returns the answer for the client."""
        self.key_refusal = why
        return RefusalError(FINAL_STATUS, "permission_error", why)

    @property
    def far_over(self) -> bool:
        """Whether answers under way must be cut off."""
        with self._lock:
            total = sum(entry.estimate_usd for entry in self._entries)
        if total <= 2 * self.limit_usd + OVERSHOOT_USD:
            return False
        self.refused = True
        return True

    def open(self, meter: AnswerMeter, body_bytes: int, *, regional: bool) -> Entry:
        """Adds a request that is about to be sent."""
        entry = Entry(meter, body_bytes, regional)
        with self._lock:
            self._entries.append(entry)
        return entry

    def close(self, entry: Entry, *, complete: bool) -> None:
        """Fixes the cost of a request. `complete` means that the whole answer arrived, a refusal too."""
        if entry.closed_usd is None:
            entry.closed_usd = entry.usd if complete else entry.cut_off_usd()
            self._warn(entry)

    def close_all(self) -> None:
        """Fixes the cost of the requests under way, which are cut off."""
        with self._lock:
            entries = list(self._entries)
        for entry in entries:
            self.close(entry, complete=False)

    def _warn(self, entry: Entry) -> None:
        model = entry.meter.model
        if entry.closed_usd and model_name(model) is None and model not in self._unknown and len(self._unknown) < 20:
            self._unknown.add(model)
            dearest = f"{max(price.output for price in PRICES.values()):g} USD a million output tokens"
            self.log("the model's price is unknown", level="warning", model=model[:200], pricedAt=dearest)
