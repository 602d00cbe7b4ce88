"""The real Claude Code binary against the real demo model, in a copy of the demo site."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import claude_agent_sdk
import httpx
import pytest

from sitewright.local.machine.ports import choose_port
from sitewright.local.stack.services import loopback
from sitewright.local.stack.site_repositories import DEMO_SITE

BINARY = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    port = choose_port(0, {0})
    server = subprocess.Popen(
        [sys.executable, "-m", "sitewright.local.demo_model", "--port", str(port)], cwd=DEMO_SITE.parents[1]
    )
    url = loopback(port)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{url}/healthz", trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("node_modules", "dist", ".astro")
    return Path(shutil.copytree(DEMO_SITE, tmp_path / "site", ignore=ignored))


def claude(model: str, site: Path, instruction: str, *options: str) -> str:
    home = site.parent / "home"
    home.mkdir(exist_ok=True)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": model,
        "ANTHROPIC_API_KEY": "sk-of-the-test",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "IS_SANDBOX": "1",
    }
    done = subprocess.run(
        [str(BINARY), "--print", "--permission-mode", "bypassPermissions", "--setting-sources", "", *options],
        input=instruction,
        cwd=site,
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_claude_code_edits_the_homepage(model: str, site: Path) -> None:
    page = site / "src/pages/index.astro"
    before = page.read_text()

    said = claude(model, site, 'Add a heading saying "Fish & <chips> {1}" to the homepage')

    assert said == "I added a heading to the homepage."
    line = "    <h2>Fish &amp; &lt;chips&gt; &#123;1&#125;</h2>\n"
    assert page.read_text() == before.replace("  </main>", f"{line}  </main>")
    listed: list[dict[str, Any]] = httpx.get(f"{model}/_requests", trust_env=False).json()
    assert [r["answer"].split()[0] for r in listed if r["tools"]][-3:] == ["Read", "Write", "I"]
    assert "sk-of-the-test" not in str(listed)


def test_a_page_is_added_linked_kept_and_deleted_in_one_conversation(model: str, site: Path) -> None:
    page, layout = site / "src/pages/wedding-cakes.astro", site / "src/layouts/Layout.astro"
    before = layout.read_text()

    assert "linked it" in claude(model, site, 'Add a page called "Wedding cakes"')
    assert page.is_file()
    assert '["/wedding-cakes/", "Wedding cakes"],' in layout.read_text()
    made = page.read_text()

    assert "already" in claude(model, site, 'Add a page called "Wedding cakes"', "--continue")
    assert page.read_text() == made

    assert "unlinked it" in claude(model, site, 'Delete the page "Wedding cakes"', "--continue")
    assert not page.exists()
    assert layout.read_text() == before


def test_what_is_not_understood_changes_nothing(model: str, site: Path) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}

    said = claude(model, site, "Mach bitte alles schöner 🥐 $(touch pwned)")

    assert "changed nothing" in said
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
