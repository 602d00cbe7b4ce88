"""Adds what the requests of one run of Claude Code cost, and decides when the next one may begin."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sitewright.contracts.model.model_prices import PRICES, Usage, model_name, usd
from workspace.agent.model_proxy.answer_meter import AnswerMeter
from workspace.agent.model_proxy.request_body import Asked
from workspace.agent.model_proxy.request_rules import RefusalError

FINAL_STATUS = 402
"""Claude Code 2.1.330 does not repeat a request that is answered with 402, and ends. It repeats 400 with fewer beta
features, 401, and Bedrock's 403."""

OVERSHOOT_USD = 0.5
"""An answer is cut off once the run has cost twice its limit, and this more. One alone may cost as much: the last, or
one whose cost has no limit beforehand, like a search of the web."""

WAIT_SECONDS = 240.0
"""The limit for a request to wait for its turn. Claude Code gives up a request without an answer after 600 s."""

_BYTES_PER_TOKEN = 4


@dataclass(eq=False)
class Entry:
    """The cost of one request."""

    meter: AnswerMeter
    asked: Asked
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

    @property
    def reserved_usd(self) -> float:
        """US dollars that the request may cost at most. Its prompt is known once the answer begins."""
        if self.closed_usd is not None:
            return self.closed_usd
        told = self.meter.usage
        if self.asked.open_ended or not told.prompt_tokens:
            return max(self.asked.most_usd(regional=self.regional), self._price(told))
        most = max(self.asked.max_tokens, told.output_tokens)
        return self._price(replace(told, output_tokens=most, fast=told.fast or self.asked.fast))

    def cut_off_usd(self) -> float:
        """Returns the cost of a request whose answer is cut off now. Without any answer its prompt counts."""
        if self.meter.begun:
            return self.estimate_usd
        return self._price(Usage(input_tokens=self.body_bytes // _BYTES_PER_TOKEN))

    def _price(self, usage: Usage) -> float:
        besides = sum(usd(side, model, regional=self.regional) for model, side in self.meter.side_usages)
        return usd(usage, self.meter.model, regional=self.regional) + besides


@dataclass
class Ledger:
    """Adds the costs, lets requests begin while their reservations fit, and refuses them once the limit is reached."""

    limit_usd: float
    log: Callable[..., None] = field(repr=False)
    refused: bool = False
    """Whether a request was refused because of the limit."""
    key_refusal: str = ""
    """Why the model's API refused the runner's key or role; empty if it did not."""
    wait_seconds: float = WAIT_SECONDS
    requests: int = 0
    """The number of metered requests."""
    _closed_usd: float = 0.0
    _under_way: list[Entry] = field(default_factory=list, repr=False)
    _queue: list[Entry] = field(default_factory=list, repr=False)
    _ended: bool = False
    _unknown: set[str] = field(default_factory=set, repr=False)
    _warned_of_fields: bool = field(default=False, repr=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def usd(self) -> float:
        """US dollars so far."""
        with self._changed:
            return self._usd

    @property
    def waiting(self) -> int:
        """The number of requests that wait for their turn."""
        return len(self._queue)

    def begin(
        self, asked: Asked, body_bytes: int, *, regional: bool, given_up: Callable[[], bool] = lambda: False
    ) -> Entry | None:
        """Adds a request that is about to be sent, when its turn comes; None if `given_up` before, or after the end.

        Each request reserves the most that it can cost. It may begin if its reservation still fits: within the limit,
        beside what was spent and what the requests under way have reserved. Alone it may begin in any case. An
        `open_ended` one runs alone. Requests begin in the order of their arrival.

        Raises RefusalError once the limit is reached, or after `wait_seconds`.
        """
        entry = Entry(AnswerMeter(asked.model), asked, body_bytes, regional)
        self._warn_of_fields(asked)
        deadline = time.monotonic() + self.wait_seconds
        with self._changed:
            self._queue.append(entry)
            try:
                while not (gone := self._ended or given_up()) and not self._has_turn(entry):
                    if not self._changed.wait(deadline - time.monotonic()):
                        message = "The other requests of this command may use up its budget. Wait for their answers."
                        raise RefusalError(529, "overloaded_error", message)
                if gone:
                    return None
                self._under_way.append(entry)
                self.requests += 1
            finally:
                self._queue.remove(entry)
                self._changed.notify_all()
        return entry

    def look_again(self) -> None:
        """Wakes the requests that wait: an answer began, or a client is gone."""
        with self._changed:
            self._changed.notify_all()

    def refuse_key(self, why: str) -> RefusalError:
        """Notes that the model's API refuses the runner's key or role. Returns the answer for the client."""
        self.key_refusal = why
        return RefusalError(FINAL_STATUS, "permission_error", why)

    @property
    def far_over(self) -> bool:
        """Whether answers under way must be cut off."""
        with self._changed:
            total = self._closed_usd + sum(entry.estimate_usd for entry in self._under_way)
        if total <= 2 * self.limit_usd + OVERSHOOT_USD:
            return False
        self.refused = True
        return True

    def close(self, entry: Entry, *, complete: bool, abandoned: bool = False) -> None:
        """Fixes the cost of a request.

        Args:
            entry: the request.
            complete: the whole answer arrived, a refusal too.
            abandoned: the client went away, the run ended, or the API was silent for too long. Such an answer counts
                with its reservation if it was not read to its end: the API may bill it in full.
        """
        with self._changed:
            if entry.closed_usd is not None:
                return
            if complete:
                entry.closed_usd = entry.usd
            else:
                entry.closed_usd = entry.reserved_usd if abandoned else entry.cut_off_usd()
            self._closed_usd += entry.closed_usd
            self._under_way.remove(entry)
            self._changed.notify_all()
        self._warn(entry)

    def close_all(self, *, stopped: bool = False) -> None:
        """Fixes the cost of the requests under way, which are cut off. No other one begins.

        Args:
            stopped: the runner stopped Claude Code for a newer message. Each request counts as an answer that is cut off.
                Otherwise Claude Code left them behind, and each counts with its reservation.
        """
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            entries = list(self._under_way)
        for entry in entries:
            self.close(entry, complete=False, abandoned=not stopped)

    @property
    def _usd(self) -> float:
        return self._closed_usd + sum(entry.usd for entry in self._under_way)

    def _has_turn(self, entry: Entry) -> bool:
        if self._usd >= self.limit_usd:
            self.refused = True
            raise RefusalError(FINAL_STATUS, "billing_error", "The budget of this command is used up.")
        if self._queue[0] is not entry:
            return False
        if not self._under_way:
            return True
        if any(other.asked.open_ended for other in [*self._under_way, entry]):
            return False
        reserved = sum(other.reserved_usd for other in [*self._under_way, entry])
        return self._closed_usd + reserved <= self.limit_usd

    def _warn_of_fields(self, asked: Asked) -> None:
        if asked.unknown and not self._warned_of_fields:
            self._warned_of_fields = True
            self.log("requests have fields of unknown cost, so they take turns", level="warning", fields=asked.unknown)

    def _warn(self, entry: Entry) -> None:
        model = entry.meter.model
        if entry.closed_usd and model_name(model) is None and model not in self._unknown and len(self._unknown) < 20:
            self._unknown.add(model)
            dearest = f"{max(price.output for price in PRICES.values()):g} USD a million output tokens"
            self.log("the model's price is unknown", level="warning", model=model[:200], pricedAt=dearest)
