"""The guest's command line, and which users are no guest."""

import os
from typing import Any

import pytest
from workspace.guest.guest_user import Guest
from workspace.system.settings import GUEST_UID, Settings, SettingsError

from sitewright.contracts.workspace_settings import WorkspaceSettings
from tests.support.workspace.runner_parts import make_settings


def test_with_one_user_a_command_is_unchanged() -> None:
    guest = Guest.of(None)
    assert not guest.separate
    assert guest.command(["npm", "ci"]) == ["npm", "ci"]
    assert guest.early_command(["npm", "ci"]) == (["npm", "ci"], {})
    assert guest.is_root == (os.geteuid() == 0)


def test_with_two_users_a_command_runs_as_the_guest_with_limits() -> None:
    command = Guest.of(1002).command(["npm", "ci", "--core=unlimited"])
    assert command[-3:] == ["npm", "ci", "--core=unlimited"]
    own = command[:-3]
    for option in ("--reuid=1002", "--regid=1002", "--clear-groups", "--no-new-privs", "--core=0", "--inh-caps=-all"):
        assert option in own
    assert own[-1] == "--", "the program's own options are no options of setpriv"
    assert not Guest.of(1002).is_root


@pytest.mark.parametrize("text", ["0", "-1", "root", "1002.5", str(os.getuid())])
def test_a_guest_is_another_user_and_never_root(text: str, tmp_path: Any) -> None:
    values: WorkspaceSettings = make_settings(tmp_path, "https://git.example/site.git")
    env = {**values.to_environment(), GUEST_UID: text}
    with pytest.raises(SettingsError, match=GUEST_UID):
        Settings.from_env(env)


def test_the_image_names_the_guest_by_a_variable(tmp_path: Any) -> None:
    env = make_settings(tmp_path, "https://git.example/site.git").to_environment()
    assert Settings.from_env({**env, GUEST_UID: "1002"}).guest.uid == 1002
    assert not Settings.from_env(env).guest.separate
