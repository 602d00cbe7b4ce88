"""`app.py`: a wrong context is one line on stderr (test_site_config checks the lines' texts); a synthesis is offline."""

import functools
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[3]
SITE = {"clientId": "a", "repository": "https://github.com/b/site"}


def test_a_wrong_context_ends_the_app_with_one_line() -> None:
    env = {**os.environ, "CDK_CONTEXT_JSON": json.dumps({"sites": "{"})}
    done = subprocess.run([sys.executable, "app.py"], cwd=REPO, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "sites:" in line and "JSON" in line


@pytest.mark.parametrize(
    ("context", "mentions"),
    [
        ({"sites": [{**SITE, "modle": "x"}]}, ["sites[0]", "'a'", "did you mean 'model'"]),
        ({"sites": [SITE], "siteDefaults": {"gitAuth": "app"}}, ["sites[0]", "gitAuth"]),
        ({"sites": [SITE], "region": 7}, ["region:", "7", "us-west-2"]),
        ({"sites": [SITE], "region": "moon"}, ["region:", "'moon'"]),
        ({"sites": [SITE], "alarmEmail": "me"}, ["alarmEmail:", "'me'"]),
        ({"sites": [SITE], "imageBuilder": "kaniko"}, ["imageBuilder:", "'kaniko'", "`codebuild`"]),
        ({"sites": [SITE], "egressAllowList": ["https://example.com/"]}, ["egressAllowList", "domains"]),
    ],
)
@pytest.mark.usefixtures("synthesis")
def test_a_wrong_context_is_told_in_one_line(
    context: dict[str, Any], mentions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, whose jsii runs already: it takes two seconds of a core to start."""
    import aws_cdk

    monkeypatch.setattr(aws_cdk, "App", functools.partial(aws_cdk.App, context=context))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(REPO / "app.py"))
    assert len(str(ended.value).splitlines()) == 1
    assert all(words in str(ended.value) for words in mentions), ended.value


def test_a_synthesis_needs_no_network_no_docker_and_no_credentials(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "node").symlink_to(shutil.which("node") or "")
    env = {
        "PATH": str(programs),
        "HOME": str(tmp_path),
        "CDK_OUTDIR": str(tmp_path / "cdk"),
        # In a new home jsii unpacks aws-cdk-lib: six seconds of a core.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache/aws/jsii/package-cache"),
        "CDK_CONTEXT_JSON": json.dumps({"sites": [SITE]}),
        "CDK_VALIDATION": "false",
        "CDK_DOCKER": "/no/docker",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    subprocess.run([*_offline(), sys.executable, "app.py"], cwd=REPO, env=env, capture_output=True, check=True)
    manifests = [json.loads(path.read_text()) for path in (tmp_path / "cdk").glob("*.assets.json")]
    assert len(manifests) == 2
    assert not any(manifest["dockerImages"] for manifest in manifests)


def _offline() -> list[str]:
    """Returns a command that takes the network away; nothing where this user may not."""
    argv = [shutil.which("unshare") or "unshare", "--map-root-user", "--net"]
    try:
        allowed = subprocess.run([*argv, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    return argv if allowed else []
