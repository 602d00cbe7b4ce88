"""The token reaches the git host, and nothing else."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace.errors import GitError
from workspace.repository.git_errors import Refusal, classify

from tests.support.workspace.git_host import TOKEN, GitHost, serve_git
from tests.support.workspace.runner_parts import (
    git,
    make_checkout,
    make_remote,
    push_elsewhere,
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    make_remote(tmp_path / "host")
    with serve_git(tmp_path / "host") as served:
        yield served


def test_clone_push_fetch_with_the_token(host: GitHost, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "ws", host.url)
    checkout.clone(timeout=30)
    checkout.start_branch()
    (checkout.site / "a.html").write_text("a")
    commit = checkout.commit_all("Edit")
    assert commit is not None
    checkout.remote.push(commit, "thread-t1", timeout=30)
    assert git(host.root / "site.git", "rev-parse", "thread-t1") == commit
    theirs = push_elsewhere(tmp_path, host.root / "site.git", "thread-t1", {"b.html": "b"}, start="thread-t1")
    assert checkout.remote.fetch("thread-t1", commit, timeout=30) == theirs
    assert checkout.is_ancestor(commit, theirs)
    assert checkout.remote.fetch("no-such", commit, timeout=30) is None
    with pytest.raises(GitError) as caught:
        checkout.remote.push(git(checkout.site, "rev-parse", "origin/main"), "thread-t1", timeout=30)
    assert classify(caught.value.stderr) is Refusal.DIVERGED


def test_the_token_is_nowhere_on_disk_or_in_a_url(host: GitHost, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "ws", host.url)
    checkout.clone(timeout=30)
    checkout.start_branch()
    checkout.remote.push(checkout.head(), "thread-t1", timeout=30)
    for path in (tmp_path / "ws").rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    assert not any(TOKEN in line for line in host.seen)
    assert host.authorizations, "the host never saw the token"


def test_the_token_is_in_no_process_argument_or_environment(host: GitHost, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "ws", host.url)
    found: list[str] = []
    watched: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    argv = (process / "cmdline").read_bytes()
                    if b"git" not in argv and b"credential_helper" not in argv:
                        continue
                    watched.update(part for part in argv.decode("utf-8", "replace").split("\0") if part)
                    if TOKEN.encode() in argv + (process / "environ").read_bytes():
                        found.append(argv.decode("utf-8", "replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for _ in range(5):
            checkout.clone(timeout=30)
            git(tmp_path, "init", "-q", "scratch")
            shutil.rmtree(checkout.site)
    finally:
        ended.set()
        thread.join()
    assert any("remote-http" in part for part in watched), "the watcher saw no git at work"
    assert found == []


def test_the_checkouts_configuration_cannot_redirect_the_token(host: GitHost, tmp_path: Path) -> None:
    with serve_git(tmp_path / "host") as evil:
        checkout = make_checkout(tmp_path / "ws", host.url)
        checkout.clone(timeout=30)
        checkout.start_branch()
        git(checkout.site, "config", f"url.http://127.0.0.1:{evil.port}/.insteadOf", f"http://127.0.0.1:{host.port}/")
        git(checkout.site, "config", "remote.origin.url", evil.url)
        git(checkout.site, "config", "http.proxy", f"http://127.0.0.1:{evil.port}")
        git(checkout.site, "config", "credential.helper", f"!cat > {tmp_path}/stolen; env > {tmp_path}/stolen-env")
        checkout.remote.push(checkout.head(), "thread-t1", timeout=30)
        checkout.remote.fetch("thread-t1", checkout.head(), timeout=30)
        assert evil.seen == []
        assert not (tmp_path / "stolen").exists()


def test_a_redirect_to_another_host_gets_no_token(host: GitHost, tmp_path: Path) -> None:
    with serve_git(tmp_path / "host") as other:
        host.redirect = f"http://127.0.0.1:{other.port}"
        checkout = make_checkout(tmp_path / "ws", host.url)
        with pytest.raises(GitError):
            checkout.clone(timeout=30)
        assert other.seen, "the redirect was not followed, so nothing was tested"
        assert other.authorizations == []


def test_a_wrong_token_is_an_auth_refusal_and_not_in_the_error(host: GitHost, tmp_path: Path) -> None:
    wrong = "ghp_wrong_token_value"
    checkout = make_checkout(tmp_path / "ws", host.url, token=wrong)
    with pytest.raises(GitError) as caught:
        checkout.clone(timeout=30)
    assert classify(caught.value.stderr) is Refusal.AUTH
    assert wrong not in str(caught.value)


@pytest.mark.parametrize(("status", "refusal"), [(403, Refusal.AUTH), (404, Refusal.AUTH), (503, Refusal.UNAVAILABLE)])
def test_http_statuses(host: GitHost, tmp_path: Path, status: int, refusal: Refusal) -> None:
    host.answer = status
    with pytest.raises(GitError) as caught:
        make_checkout(tmp_path / "ws", host.url).clone(timeout=30)
    assert classify(caught.value.stderr) is refusal


def test_a_closed_port_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/site.git"
        with pytest.raises(GitError) as caught:
            make_checkout(tmp_path / "ws", url).clone(timeout=30)
    assert classify(caught.value.stderr) is Refusal.UNAVAILABLE


def test_a_host_that_hangs_ends_by_timeout_or_by_poll(tmp_path: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        checkout = make_checkout(tmp_path / "ws", f"http://127.0.0.1:{mute.getsockname()[1]}/site.git")
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            checkout.clone(timeout=1.0)

        def give_up() -> None:
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            checkout.clone(timeout=60, poll=give_up)
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("output", "refusal"),
    [
        ("remote: Repository not found.\nfatal: repository 'https://github.com/a/b/' not found", Refusal.AUTH),
        ("fatal: Authentication failed for 'https://github.com/a/b/'", Refusal.AUTH),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", Refusal.AUTH),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 502", Refusal.UNAVAILABLE),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", Refusal.UNAVAILABLE),
        ("fatal: unable to access 'https://h/': Failed to connect to h: Connection refused", Refusal.UNAVAILABLE),
        ("error: RPC failed; curl 56 Recv failure: Connection reset by peer", Refusal.UNAVAILABLE),
        ("!\tabc:refs/heads/x\t[rejected] (fetch first)\nerror: failed to push some refs", Refusal.DIVERGED),
        ("!\tabc:refs/heads/x\t[rejected] (non-fast-forward)", Refusal.DIVERGED),
        ("!\tabc:refs/heads/x\t[remote rejected] (cannot lock ref 'refs/heads/x': is at 1)", Refusal.DIVERGED),
        ("remote: error: GH006: Protected branch update failed\n!\ta:b\t[remote rejected] (protected branch)",
         Refusal.REJECTED),
        ("!\ta:b\t[remote rejected] (pre-receive hook declined)", Refusal.REJECTED),
        ("fatal: something new", Refusal.OTHER),
    ],
)  # fmt: skip
def test_classify(output: str, refusal: Refusal) -> None:
    assert classify(output) is refusal


@pytest.mark.parametrize("said", ["HEAD", "", "+{}", "{}:refs/heads/main", "refs/heads/thread-t1"])
def test_only_a_commits_id_is_pushed(host: GitHost, tmp_path: Path, said: str) -> None:
    """A program that traces git in the checkout may put words into its mouth."""
    checkout = make_checkout(tmp_path / "ws", host.url)
    checkout.clone(timeout=30)
    checkout.start_branch()
    with pytest.raises(GitError, match="is no commit"):
        checkout.remote.push(said.format(checkout.head()), "thread-t1", timeout=30)
