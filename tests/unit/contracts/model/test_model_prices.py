"""Prices by a model's id, and the cost of one answer."""

import pytest

from sitewright.contracts.model.model_prices import DEAREST, PRICES, Usage, model_name, usd

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-0", "claude-sonnet-4"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-opus-5-5[1m]", "claude-opus-5-5"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("eu.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("arn:aws:bedrock:us-west-2:1:inference-profile/global.anthropic.claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("claude-opus-4-9", None),
        ("claude-sonnet-55", None),
        ("gpt-claude", None),
        ("", None),
    ],
)
def test_a_models_id_has_a_name(model_id: str, name: str | None) -> None:
    assert model_name(model_id) == name


def test_each_kind_of_token_has_its_price() -> None:
    usage = Usage(MILLION, MILLION, MILLION, MILLION, MILLION, web_searches=3)
    assert usd(usage, "claude-opus-5-5") == pytest.approx(4 + 20 + 5 + 8 + 0.20 + 0.03)


def test_haiku_takes_more_for_the_whole_request_if_the_prompt_is_long() -> None:
    assert usd(Usage(100_000, MILLION), "claude-haiku-5-5") == pytest.approx(0.01 + 0.5)
    assert usd(Usage(1, MILLION, cache_read_tokens=100_000), "claude-haiku-5-5") == pytest.approx(2.505, abs=1e-5)


def test_an_unknown_model_counts_as_the_dearest() -> None:
    assert usd(Usage(output_tokens=MILLION), "claude-epos-9") == DEAREST.output
    assert all(
        price.output <= DEAREST.output and price.cache_write_1h <= DEAREST.cache_write_1h for price in PRICES.values()
    )


def test_premiums() -> None:
    usage = Usage(input_tokens=MILLION)
    assert usd(usage, "claude-opus-4-6", regional=True) == pytest.approx(5.5)
    assert usd(Usage(MILLION, inference_geo="us"), "claude-opus-4-6") == pytest.approx(5.5)
    assert usd(Usage(MILLION, fast=True), "claude-opus-4-6") == pytest.approx(30)
