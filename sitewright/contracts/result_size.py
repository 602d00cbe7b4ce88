"""Shortens a step's result to the part that a run's output has room for. Pure.

The records of the tables are complete. The output is for the operator's console, and for the event of the run's end.
"""

from typing import Any, TypeVar

from sitewright.contracts.base import Contract

RESULT_BYTES = 22_000
"""Maximum size of each result as JSON. The output of a run has five of them: agent, build, repair, sync and push.

- A state's output is limited to 256 KiB; a larger one ends the run with States.DataLimitExceeded, which no Catch of
  `States.ALL` takes. Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
- The event of the run's end leaves the run's input out if input and output, escaped, exceed 248 KiB. Escaping at most doubles
  JSON. Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

_LEAST = 8
"""Texts of at most so many characters are left alone: ids, codes, names."""

_Result = TypeVar("_Result", bound=Contract)


def within(result: _Result, limit: int = RESULT_BYTES) -> _Result:
    """Halves the longest list or text again and again, until the result has at most `limit` bytes as JSON."""
    while size(result) > limit:
        shorter = _halved(result)
        if shorter == result:
            break
        result = shorter
    return result


def size(result: Contract) -> int:
    """Returns the bytes of a result as JSON."""
    return len(result.to_json().encode("utf-8", "replace"))


def _halved(result: _Result) -> _Result:
    parts = [(_weight(value), name) for name, value in result if isinstance(value, str | list | Contract)]
    weight, name = max(parts, default=(0, ""))
    if weight == 0:
        return result
    return result.model_copy(update={name: _half(getattr(result, name))})


def _weight(value: Any) -> int:
    """Returns the size of a part, 0 for one that cannot be shortened."""
    if isinstance(value, Contract):
        return max((_weight(each) for _, each in value), default=0)
    if isinstance(value, list):
        return sum(len(repr(each)) for each in value)
    return len(repr(value)) if isinstance(value, str) and len(value) > _LEAST else 0


def _half(value: Any) -> Any:
    if isinstance(value, Contract):
        return _halved(value)
    if isinstance(value, list):
        return value[: len(value) // 2]
    return f"{value[: len(value) // 2 - 1]}…"
