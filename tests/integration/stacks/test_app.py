"""`app.py` with a wrong context: one line on stderr and no traceback. test_site_config checks the lines' texts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[3]
SITE = {"clientId": "a", "repository": "https://github.com/b/site"}


@pytest.mark.parametrize(
    ("context", "mentions"),
    [
        ({"sites": "{"}, ["sites:", "JSON"]),
        ({"sites": [{**SITE, "modle": "x"}]}, ["sites[0]", "'a'", "did you mean 'model'"]),
        ({"sites": [SITE], "siteDefaults": {"gitAuth": "app"}}, ["sites[0]", "gitAuth"]),
        (
            {"sites": [SITE], "siteDefaults": '{"gitAuth": "github-app"}', "githubAppSecret": "sitewright/app"},
            ["githubAppSecret:", "complete ARN"],
        ),
        ({"sites": [SITE], "egressAllowList": ["https://example.com/"]}, ["egressAllowList", "domains"]),
    ],
)
def test_a_wrong_context_fails_with_one_line(context: dict[str, Any], mentions: list[str]) -> None:
    env = {**os.environ, "CDK_CONTEXT_JSON": json.dumps(context)}
    done = subprocess.run([sys.executable, "app.py"], cwd=REPO, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert all(words in done.stderr for words in mentions), done.stderr
