"""The settings of a local site: what a file may say, and what the stack sets itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from sitewright.contracts.site_config import parse_sites
from sitewright.local.errors import BadSetting
from sitewright.local.stack.site_entries import config, keep_settings


def state() -> dict[str, Any]:
    return {"ports": {"git-host": 8081}, "site_ports": {"bruno": 8082}, "sites": ["bruno"]}


def file(folder: Path, content: object) -> Path:
    made = folder / "settings.json"
    made.write_text(content if isinstance(content, str) else json.dumps(content))
    return made


def test_the_settings_of_a_file_stay_with_the_site(tmp_path: Path) -> None:
    kept = state()
    given = {"output": "website", "buildEnvironment": {"CMS_TOKEN": {"secret": "cms"}}, "idleSeconds": 60}
    keep_settings(kept, "bruno", file(tmp_path, given))
    (site,) = parse_sites([config(kept, "bruno", None)])
    assert (site.output, site.idle_seconds, site.repository) == ("website", 60, "http://127.0.0.1:8081/bruno.git")
    assert "output" not in config(state(), "bruno", None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read"),
        ([], "no JSON object"),
        ({"repository": "https://h/x.git"}, "sets repository itself"),
        ({"outptu": "x"}, "did you mean 'output'"),
        ({"output": "../x"}, "output"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_starts(tmp_path: Path, content: object, says: str) -> None:
    kept = state()
    with pytest.raises(BadSetting, match=says):
        keep_settings(kept, "bruno", file(tmp_path, content))
    assert "settings" not in kept
