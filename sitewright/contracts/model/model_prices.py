"""What the models cost, and what one answer of the Messages API cost. Pure.

Source: https://platform.claude.com/docs/en/about-claude/pricing, and the catalogue in Claude Code 2.1.330 for the
models that the page did not have yet. Read on 2026-11-28. The page has no Mythos Preview: its price is Anthropic's to
the participants of Project Glasswing (https://www.anthropic.com/glasswing), as reports of April 2026 quote it.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelPrice:
    """US dollars for a million tokens."""

    input: float
    output: float
    cache_write_5m: float
    cache_write_1h: float
    cache_read: float
    above_100k: "ModelPrice | None" = None
    """The price of the whole request if its prompt has more than LONG_PROMPT_TOKENS."""


@dataclass(frozen=True)
class Usage:
    """The tokens and searches of one answer, as its `usage` reports them."""

    input_tokens: int = 0
    """Without the tokens that were written to the cache or read from it."""
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    web_searches: int = 0
    fast: bool = False
    """Answered in the fast mode."""
    inference_geo: str = ""

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompt."""
        return self.input_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens + self.cache_read_tokens


LONG_PROMPT_TOKENS = 100_000

WEB_SEARCH_USD = 0.01

FAST_FACTOR = 6.0
"""The highest premium of the fast mode (Opus 4.6). Newer models take less, and Claude Code asks for it only if told."""

REGIONAL_FACTOR = 1.1
"""The premium for answers that stay in one geography. Models before Claude 4.5 do not take it on Bedrock."""


def _price(input_usd: float, output: float, cache_read: float, above_100k: ModelPrice | None = None) -> ModelPrice:
    # Writes cost 1.25 and 2 times the input with every model.
    return ModelPrice(input_usd, output, 1.25 * input_usd, 2 * input_usd, cache_read, above_100k)


_OPUS_4 = _price(15, 75, 1.50)
_OPUS_4_5 = _price(5, 25, 0.50)
_SONNET_4 = _price(3, 15, 0.30)
_FABLE_5 = _price(10, 50, 1.00)
_FABLE_5_1 = _price(10, 50, 0.25)

PRICES: dict[str, ModelPrice] = {
    "claude-3-5-haiku": _price(0.80, 4, 0.08),
    "claude-3-5-sonnet": _SONNET_4,
    "claude-3-7-sonnet": _SONNET_4,
    "claude-haiku-4-5": _price(1, 5, 0.10),
    "claude-haiku-5-5": _price(0.10, 0.50, 0.01, _price(0.50, 2.50, 0.05)),
    "claude-sonnet-4": _SONNET_4,
    "claude-sonnet-4-5": _SONNET_4,
    "claude-sonnet-4-6": _SONNET_4,
    "claude-sonnet-5": _price(2, 10, 0.20),
    "claude-sonnet-5-5": _price(2, 10, 0.10),
    "claude-opus-4": _OPUS_4,
    "claude-opus-4-1": _OPUS_4,
    "claude-opus-4-5": _OPUS_4_5,
    "claude-opus-4-6": _OPUS_4_5,
    "claude-opus-4-7": _OPUS_4_5,
    "claude-opus-4-8": _OPUS_4_5,
    "claude-opus-5": _OPUS_4_5,
    "claude-opus-5-5": _price(4, 20, 0.20),
    "claude-fable-5": _FABLE_5,
    "claude-fable-5-1": _FABLE_5_1,
    "claude-fable-5-2": _price(8, 40, 0.20),
    "claude-mythos-preview": _price(25, 125, 2.50),
    "claude-mythos-5": _FABLE_5,
    "claude-mythos-5-1": _FABLE_5_1,
}
"""The price of each model, by the name that `model_name` returns."""

DEAREST = max(PRICES.values(), key=lambda price: price.output)
"""The price of an unknown model."""

_ID = re.compile(
    r"(?:[\w:./-]*[./])?(?P<name>claude-[a-z0-9-]+?)(?:-0)?(?:[-@]20\d{6})?(?:-v\d+)?(?::\d+(?::\w+)?)?(?:\[1m\])?"
)
"""A model's id at Anthropic or Bedrock: us.anthropic.claude-opus-4-5-20251101-v1:0, claude-sonnet-4-0."""


def model_name(model_id: str) -> str | None:
    """Returns the key of `PRICES` for a model's id at Anthropic or Bedrock; None for an unknown model."""
    match = _ID.fullmatch(model_id.strip().lower())
    return match["name"] if match and match["name"] in PRICES else None


def usd(usage: Usage, model_id: str, *, regional: bool = False) -> float:
    """Returns the price of one answer in US dollars. An unknown model has the price of the most expensive one.

    Args:
        usage: the answer's tokens.
        model_id: the model's id.
        regional: the request went to a geographic or regional endpoint of Bedrock.
    """
    price = PRICES.get(model_name(model_id) or "", DEAREST)
    if price.above_100k is not None and usage.prompt_tokens > LONG_PROMPT_TOKENS:
        price = price.above_100k
    tokens = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_write_5m_tokens * price.cache_write_5m
        + usage.cache_write_1h_tokens * price.cache_write_1h
        + usage.cache_read_tokens * price.cache_read
    ) / 1_000_000
    factor = REGIONAL_FACTOR if regional or usage.inference_geo in {"us", "eu"} else 1.0
    return tokens * factor * (FAST_FACTOR if usage.fast else 1.0) + usage.web_searches * WEB_SEARCH_USD
