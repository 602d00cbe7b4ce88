"""The git host with the real git: who has the token may, and the modes fail as a real host would."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sitewright.local.errors import BadSiteRepository
from sitewright.local.git_host.git_server import GitServer
from sitewright.local.stack.site_repositories import ensure_repository

TOKEN = "a-token"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    root = tmp_path / "git"
    root.mkdir()
    ensure_repository(root / "amelia.git", None)
    server = GitServer(0, root, TOKEN)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def url(server: GitServer, path: str = "/amelia.git") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def git(*arguments: str, token: str | None = TOKEN, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    argv = ["git", "-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "credential.helper="]
    if token:
        basic = base64.b64encode(f"x:{token}".encode()).decode()
        argv += ["-c", f"http.extraHeader=Authorization: Basic {basic}"]
    env = {"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull, "NO_PROXY": "*"}
    return subprocess.run([*argv, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def order(server: GitServer, mode: str, token: str = TOKEN) -> httpx.Response:
    return httpx.post(
        url(server, "/_control"), json={"client": "amelia", "mode": mode}, auth=("x", token), trust_env=False
    )


def clone(server: GitServer, to: Path) -> Path:
    done = git("clone", "--quiet", url(server), str(to))
    assert done.returncode == 0, done.stderr
    return to


def change(checkout: Path, size: int) -> str:
    (checkout / "big.bin").write_bytes(os.urandom(size))
    git("add", "--all", cwd=checkout)
    assert git("commit", "--quiet", "-m", "More", cwd=checkout).returncode == 0
    return git("rev-parse", "HEAD", cwd=checkout).stdout.strip()


@pytest.mark.parametrize("size", [100, 3_000_000], ids=["with a length", "chunked"])
def test_clone_and_push(server: GitServer, tmp_path: Path, size: int) -> None:
    checkout = clone(server, tmp_path / "site")
    commit = change(checkout, size)
    assert git("push", "--quiet", "origin", "HEAD:refs/heads/thread-1", cwd=checkout).returncode == 0
    bare = server.root / "amelia.git"
    assert git("-C", str(bare), "rev-parse", "thread-1").stdout.strip() == commit


@pytest.mark.parametrize("token", [None, "another"])
def test_without_the_token_nothing_can_be_read(server: GitServer, token: str | None) -> None:
    done = git("ls-remote", url(server), token=token)
    assert done.returncode != 0


GARBAGE = {
    "no base64": b"Basic !",
    "cut short": b"Basic eDph=b",
    "nothing": b"Basic",
    "not text": b"Basic " + base64.b64encode(b"x:\xff\xfe"),
    "not ASCII": "Basic Grüße".encode("latin-1"),
    "no scheme": b"eDphLXRva2Vu",
    "empty": b"",
}


@pytest.mark.parametrize("header", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_for_a_token_is_refused(server: GitServer, header: bytes) -> None:
    answer = httpx.get(
        url(server, "/amelia.git/info/refs?service=git-upload-pack"),
        headers=[(b"Authorization", header)],
        trust_env=False,
    )
    assert answer.status_code == 401


def test_control_needs_the_token_and_a_known_mode(server: GitServer) -> None:
    assert order(server, "down", token="another").status_code == 401
    assert order(server, "asleep").status_code == 400
    assert git("ls-remote", url(server)).returncode == 0


def test_modes(server: GitServer, tmp_path: Path) -> None:
    checkout = clone(server, tmp_path / "site")
    change(checkout, 10)

    def push() -> subprocess.CompletedProcess[str]:
        return git("push", "--quiet", "origin", "HEAD:refs/heads/thread-2", cwd=checkout)

    assert order(server, "reject-push").status_code == 200
    assert "403" in push().stderr
    assert git("ls-remote", url(server)).returncode == 0
    order(server, "reject-auth")
    assert git("ls-remote", url(server)).returncode != 0
    order(server, "down")
    assert "503" in git("ls-remote", url(server)).stderr
    assert order(server, "ok").status_code == 200
    assert push().returncode == 0


def test_a_path_out_of_the_root_is_not_served(server: GitServer) -> None:
    ensure_repository(server.root.parent / "other.git", None)
    assert git("ls-remote", url(server, "/%2e%2e/other.git")).returncode != 0
    answer = httpx.get(
        url(server, "/amelia.git/../../other.git/info/refs?service=git-upload-pack"),
        auth=("x", TOKEN),
        trust_env=False,
    )
    assert answer.status_code != 200


def test_the_demo_site_is_a_commit_on_main_without_what_is_built(server: GitServer) -> None:
    names = git("-C", str(server.root / "amelia.git"), "ls-tree", "-r", "--name-only", "main").stdout.splitlines()
    assert "package.json" in names
    assert not [name for name in names if name.startswith(("node_modules/", "dist/", ".astro/"))]


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    git("init", "--quiet", str(empty))
    with pytest.raises(BadSiteRepository) as caught:
        ensure_repository(tmp_path / "a.git", str(empty))
    assert "--site-repo" in caught.value.remedy
    assert not (tmp_path / "a.git").exists()


def test_an_own_repository_is_cloned_with_its_branches(tmp_path: Path, server: GitServer) -> None:
    source = clone(server, tmp_path / "source")
    git("branch", "draft", cwd=source)
    ensure_repository(tmp_path / "own.git", str(source))
    branches = git("-C", str(tmp_path / "own.git"), "branch", "--format=%(refname:short)").stdout.split()
    assert set(branches) == {"main", "draft"}
