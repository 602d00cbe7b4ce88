"""`app.py` with a wrong context: one line on stderr and no traceback. test_site_config checks the lines' texts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("sites", "mentions"),
    [
        ("{", ["sites:", "JSON"]),
        ('[{"clientId": "a", "repository": "https://h/r", "modle": "x"}]', ["sites[0]", "'a'", "did you mean 'model'"]),
    ],
)
def test_a_wrong_context_fails_with_one_line(sites: str, mentions: list[str]) -> None:
    _fails_with_one_line({"sites": sites}, mentions)


def test_a_wrong_allow_list_fails_with_one_line() -> None:
    sites = [{"clientId": "a", "repository": "https://h/r"}]
    _fails_with_one_line({"sites": sites, "egressAllowList": ["https://example.com/"]}, ["egressAllowList", "domains"])


def _fails_with_one_line(context: dict[str, object], mentions: list[str]) -> None:
    env = {**os.environ, "CDK_CONTEXT_JSON": json.dumps(context)}
    done = subprocess.run([sys.executable, "app.py"], cwd=REPO, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert all(words in done.stderr for words in mentions), done.stderr
