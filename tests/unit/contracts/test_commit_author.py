"""The author of commits, as a setting."""

import pytest
from pydantic import ValidationError

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor


def test_an_object_and_gits_own_text_mean_the_same() -> None:
    author = CommitAuthor(name="Bakery bot", email="bot@bakery.example")
    assert CommitAuthor.model_validate({"name": "Bakery bot", "email": "bot@bakery.example"}) == author
    assert CommitAuthor.model_validate("Bakery bot <bot@bakery.example>") == author
    assert CommitAuthor.model_validate(str(author)) == author


def test_the_bots_brackets_and_plus_are_an_address() -> None:
    text = "sitewright[bot] <1234+sitewright[bot]@users.noreply.github.com>"
    assert str(CommitAuthor.model_validate(text)) == text


def test_the_default_address_is_nobodys() -> None:
    assert DEFAULT_AUTHOR.email.endswith(".invalid")


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("", "a@b.example"),
        ("...", "a@b.example"),
        ("Sam\nInjected: yes", "a@b.example"),
        ("Sam <x>", "a@b.example"),
        ("Sam", "nobody"),
        ("Sam", "a@b.example\n"),
        ("Sam", "a b@c.example"),
        ("Sam", "a@b@c.example"),
        ("Sam", "<a@b.example>"),
    ],
)
def test_what_git_would_drop_or_refuse_is_refused(name: str, email: str) -> None:
    with pytest.raises(ValidationError):
        CommitAuthor(name=name, email=email)


def test_a_text_without_an_address_is_refused() -> None:
    with pytest.raises(ValidationError):
        CommitAuthor.model_validate("Sam")
