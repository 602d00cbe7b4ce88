"""Which model a local stack uses: the stand-in, or the real one where the user has a key."""

from pathlib import Path

import pytest

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack import service_startup
from sitewright.local.stack.service_startup import DEMO_KEY


def choose(monkeypatch: pytest.MonkeyPatch, home: Path, **variables: str) -> tuple[str | None, str, list[str]]:
    started: list[str] = []
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(service_startup, "ensure", lambda _home, name, *_, **__: started.append(name))
    url, key = service_startup._model(Home(home), 4100, lambda _: None)
    return url, key, started


def test_without_a_key_the_stand_in_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose(monkeypatch, tmp_path) == ("http://127.0.0.1:4100", DEMO_KEY, ["demo-model"])


def test_with_a_key_the_real_model_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose(monkeypatch, tmp_path, ANTHROPIC_API_KEY="sk-ant-x") == (None, "sk-ant-x", [])
    with_url = choose(monkeypatch, tmp_path, ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL="https://gateway.example")
    assert with_url == ("https://gateway.example", "k", [])
