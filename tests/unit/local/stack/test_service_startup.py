"""How `sitewright up` starts the ECS service: with two users a workspace, or with a warning."""

from pathlib import Path
from typing import Any

import pytest

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack import service_startup


@pytest.mark.parametrize("reason", [None, "another user cannot pass /root"])
def test_up_tells_when_a_workspace_has_only_one_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str | None
) -> None:
    home, said, started = Home(tmp_path / "home"), list[str](), list[list[str]]()
    home.create()

    def ensure(_home: Home, _name: str, arguments: list[str], **_: Any) -> bool:
        started.append(arguments)
        return True

    monkeypatch.setattr(service_startup, "ensure", ensure)
    monkeypatch.setattr(service_startup, "obstacle", lambda _home: reason)
    service_startup._ecs(home, 1, "http://127.0.0.1:2", None, said.append)
    assert ("--two-users" in started[0]) == (reason is None)
    assert [reason in line and "your own sites only" in line for line in said if reason] == ([True] if reason else [])
    assert bool(said) == bool(reason)
    opened = home.root.stat().st_mode & 0o001
    assert bool(opened) == (reason is None), "only a guest of its own may pass to its folder"
