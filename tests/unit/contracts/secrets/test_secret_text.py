"""What people paste into a secret: accepted, or told without a value."""

import json

import pytest

from sitewright.contracts.secrets.secret_text import SecretTextError, single_value

TOKEN = "github_pat_" + "A1b2C3d4" * 6
NAMES = ("token", "git-token", "password")


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"{TOKEN}\n",
        f"\ufeff{TOKEN}\r\n",
        f'  "{TOKEN}" ',
        f"'{TOKEN}'",
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN}",
        f'"Bearer {TOKEN}"',
        json.dumps({"token": TOKEN}),
        json.dumps({"whatever": f"{TOKEN}\n"}),
        json.dumps({"token": TOKEN, "note": ""}),
        json.dumps({"token": TOKEN, "created": 2026}),
        json.dumps({"username": "sam", "Git_Token": TOKEN}),
        json.dumps({"username": "sam", "password": f"Bearer {TOKEN}"}),
        json.dumps({"token": TOKEN}, indent=2) + "\n",
    ],
)
def test_a_token_is_found_in_what_was_pasted(text: str) -> None:
    assert single_value(text, NAMES) == TOKEN


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("{}", "without a text"),
        ('{"token": ""}', "without a text"),
        (f'{{"token": "{TOKEN}"', "begins like a JSON object"),
        (f'["{TOKEN}"]', "JSON list"),
        (json.dumps({"first": TOKEN, "second": TOKEN}), "has the keys 'first', 'second'"),
        (json.dumps({"token": TOKEN, "Token": TOKEN}), "has the keys 'token', 'Token'"),
        (json.dumps({TOKEN: "x", "second": TOKEN}), f"(one of {len(TOKEN)} characters), 'second'"),
        (f"sam {TOKEN}", "has 2 words"),
        (f"{TOKEN}\n{TOKEN}", "has 2 words"),
        (f"{TOKEN[:20]}\u2026", "no token has"),
        ('"Bearer "', "is empty"),
    ],
)
def test_anything_else_is_told_without_a_value(text: str, told: str) -> None:
    with pytest.raises(SecretTextError) as refused:
        single_value(text, NAMES)
    assert told in str(refused.value)
    assert TOKEN[:12] not in str(refused.value)
