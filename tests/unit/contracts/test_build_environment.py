"""The variables of a site's build: what an operator may write, and what a refusal must not repeat."""

from typing import Any

import pytest

from sitewright.contracts.build_environment import BYTES, SECRETS, BuildEnvironment
from sitewright.contracts.site_config import SiteConfig, SiteConfigError


def parse(value: Any, **more: Any) -> SiteConfig:
    entry = {"clientId": "a", "repository": "https://h/r.git", "buildEnvironment": value, **more}
    return SiteConfig.parse(entry, 0)


def test_plain_values_and_names_of_secrets_survive_the_text_form() -> None:
    made = parse({"API_URL": 'https://x/?a="1"', "CMS_TOKEN": {"secret": "cms"}, "EMPTY": ""}).build_environment
    assert made is not None
    assert made.plain == {"API_URL": 'https://x/?a="1"', "EMPTY": ""} and made.secrets == {"CMS_TOKEN": "cms"}
    assert BuildEnvironment.model_validate(str(made)) == made


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"PATH": "the-value"}, "PATH is set by the workspace"),
        ({"home": "the-value"}, "home is set by the workspace"),
        ({"GIT_CONFIG_COUNT": "the-value"}, "GIT_CONFIG_COUNT is set"),
        ({"LD_PRELOAD": "the-value"}, "LD_PRELOAD is set"),
        ({"A-B": "the-value"}, "none of a variable"),
        ({"A": 3}, "A must be a text"),
        ({"A": {"secret": "x", "value": "the-value"}}, "A must be a text"),
        ({"A": {"secret": "../git-token"}}, "A names a secret"),
        ({"A": "the-value\0"}, "NUL"),
        ({"A": f"ghp_{'a1' * 20}"}, "A looks like a secret"),
        ({"A": "the-value" * BYTES}, "longer than"),
        ({f"A{n}": {"secret": f"s{n}"} for n in range(SECRETS + 1)}, "more than 20 secrets"),
        (["the-value"], "must be an object"),
        ("the-value", "is no JSON"),
    ],
)
def test_a_wrong_entry_is_named_and_no_value_repeated(value: Any, says: str) -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse(value)
    assert says in str(refused.value) and "buildEnvironment" in str(refused.value)
    assert "the-value" not in str(refused.value) and "a1a1" not in str(refused.value)


@pytest.mark.parametrize("setting", ["directory", "output"])
def test_a_folder_lies_in_the_repository(setting: str) -> None:
    assert getattr(parse({}, **{setting: "./apps//web/"}), setting) == "apps/web"
    for wrong in ("/x", "../x", "a/../b", ".", "", "a b", "a/*", "-x", ".git/x", "x\n"):
        with pytest.raises(SiteConfigError, match=setting):
            parse({}, **{setting: wrong})
