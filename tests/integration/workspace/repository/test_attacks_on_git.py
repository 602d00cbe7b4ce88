"""The guest attacks by way of git: its configuration, its folder, its objects. The runner's user never runs its programs."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace.errors import GitError, StepFailed, WorkspaceError
from workspace.guest.child_register import processes_of
from workspace.repository.newer_work.rebase import rebase
from workspace.repository.objects import transport

from sitewright.contracts.error_codes import ErrorCode
from tests.support.workspace.git_host import TOKEN, serve_git
from tests.support.workspace.guest_world import GuestWorld, guest_world
from tests.support.workspace.runner_parts import git, make_checkout, make_remote, push_elsewhere


@pytest.fixture
def world() -> Iterator[GuestWorld]:
    with guest_world() as made:
        yield made


def everything(world: GuestWorld) -> str:
    """Uses the checkout in all ways of a run, and returns the pushed commit."""
    checkout = world.checkout
    world.write("new.html", "new")
    checkout.changed_files("HEAD")
    checkout.tree_snapshot()
    commit = checkout.commit_all("Edit")
    checkout.is_dirty()
    assert commit is not None
    checkout.remote.push(commit, "thread-t1", timeout=30)
    theirs = push_elsewhere(
        world.root, world.host.root / "site.git", "thread-t1", {"theirs.html": "1"}, start="thread-t1"
    )
    world.write("about.html", "ours")
    checkout.commit_all("Another edit")
    assert checkout.remote.fetch("thread-t1", checkout.head(), timeout=30) == theirs
    assert rebase(checkout, theirs)
    checkout.remote.exchange.save_bundle(world.paths.scratch / "b", timeout=30)
    checkout.remote.push(checkout.head(), "thread-t1", timeout=30)
    return checkout.head()


PROGRAMS = {
    "hooksPath": "mkdir $LOOT/h; for n in pre-commit post-checkout pre-push reference-transaction post-index-change; do "
    'printf "#!/bin/sh\\n$RUN" > $LOOT/h/$n; chmod +x $LOOT/h/$n; done; git config core.hooksPath $LOOT/h',
    "hooks": "mkdir -p .git/hooks; for n in pre-commit post-checkout pre-push post-rewrite; do "
    'printf "#!/bin/sh\\n$RUN" > .git/hooks/$n; chmod +x .git/hooks/$n; done',
    "fsmonitor": 'git config core.fsmonitor "$RUN"',
    "sshCommand": 'git config core.sshCommand "$RUN"; git config remote.origin.url ssh://h/r',
    "gitProxy": 'git config core.gitProxy "$RUN"; git config remote.origin.url git://h/r',
    "credential": 'git config credential.helper "!$RUN"',
    "pager": 'git config core.pager "$RUN"; git config pager.log "$RUN"',
    "gpg": 'git config gpg.program "$LOOT/gpg"; git config commit.gpgSign true; '
    'printf "#!/bin/sh\\n$RUN" > $LOOT/gpg; chmod +x $LOOT/gpg',
    "diff.external": 'git config diff.external "$RUN"',
    "insteadOf": 'git config "url.ext::sh -c $RUN% .insteadOf" "http://127.0.0.1"; git config protocol.allow always',
    "editor": 'git config core.editor "$RUN"; git config sequence.editor "$RUN"; git config core.askPass "$RUN"',
}
"""Configuration that names a program which none of the runner's commands may start."""


@pytest.mark.parametrize("plant", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_programs_that_the_configuration_names_do_not_run(world: GuestWorld, plant: str) -> None:
    world.attack(f'RUN="id -u > $LOOT/ran"; {plant}')
    commit = everything(world)
    assert git(world.host.root / "site.git", "rev-parse", "thread-t1") == commit
    assert not (world.loot / "ran").exists()


AS_GUEST = {
    "filter.clean": 'git config filter.x.clean "$RUN; cat"; echo "*.html filter=x" > .git/info/attributes',
    "filter.process": 'git config filter.x.process "$RUN; exit 1"; echo "*.html filter=x" > .git/info/attributes',
    "filter.smudge": 'git config filter.x.smudge "$RUN; cat"; echo "*.html filter=x" > .git/info/attributes',
    "merge driver": 'git config merge.x.driver "$RUN"; echo "*.html merge=x" > .git/info/attributes',
    "textconv": 'git config diff.x.textconv "$RUN; cat"; echo "*.html diff=x" > .git/info/attributes',
}


@pytest.mark.parametrize("plant", AS_GUEST.values(), ids=AS_GUEST.keys())
def test_filters_run_as_the_guest_and_are_dead_before_the_token_is_used(world: GuestWorld, plant: str) -> None:
    world.attack(
        'printf "#!/bin/sh\\nid -u >> $LOOT/ran\\nsetsid sleep 300 </dev/null >/dev/null 2>&1 &\\n" > $LOOT/run; '
        f'chmod +x $LOOT/run; mkdir -p .git/info; RUN="$LOOT/run"; {plant}'
    )
    alive: list[int] = []
    world.host.on_request = lambda: alive.extend(processes_of(world.guest.uid or 0))
    with contextlib.suppress(GitError):
        # git gives up when a filter process does not answer. After the agent's step the repository is restored then.
        everything(world)
    assert world.host.seen and alive == [], "the token was in use while a process of the guest was alive"
    ran = world.loot / "ran"
    if "filter.x.clean" in plant:
        # `git add` runs it for each file, so a test in which it did not run shows nothing.
        assert ran.exists()
    if ran.exists():
        assert set(ran.read_text().split()) == {str(world.guest.uid)}


def test_the_guest_cannot_reach_the_transport(world: GuestWorld) -> None:
    everything(world)
    private = world.paths.private
    said = world.attack(f"cat {private}/transport.git/config; echo x >> {private}/transport.git/config; ls {private}")
    assert said.count("Permission denied") == 3
    borrowed = world.attack(
        f"mkdir -p .git/objects/info; echo {private}/transport.git/objects > .git/objects/info/alternates; git fsck"
    )
    assert "Permission denied" in borrowed or "unable to normalize" in borrowed
    assert everything_again(world)


def everything_again(world: GuestWorld) -> str:
    world.write("again.html", "x")
    commit = world.checkout.commit_all("Again")
    assert commit is not None
    world.checkout.remote.push(commit, "thread-t1", timeout=30)
    return commit


def test_where_there_is_one_user_a_planted_transport_configuration_runs_nothing(tmp_path: Path) -> None:
    make_remote(tmp_path / "host")
    with serve_git(tmp_path / "host") as host:
        checkout = make_checkout(tmp_path / "ws", host.url)
        checkout.clone(timeout=30)
        checkout.start_branch()
        transport_git = checkout.remote.transport.folder
        with (transport_git / "config").open("a") as config:
            config.write(
                f'[url "ext::sh -c id%> {tmp_path}/ran "]\n\tinsteadOf = http://\n[core]\n\thooksPath = {tmp_path}\n'
            )
        (transport_git / "hooks").mkdir()
        (transport_git / "hooks" / "pre-push").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (transport_git / "hooks" / "pre-push").chmod(0o755)
        checkout.remote.push(checkout.head(), "thread-t1", timeout=30)
        assert git(tmp_path / "host" / "site.git", "rev-parse", "thread-t1") == checkout.head()
    assert not (tmp_path / "ran").exists()


REPLACED = {
    "a file": "rm -rf .git; echo 'gitdir: {private}/transport.git' > .git",
    "a link": "rm -rf .git; ln -s {private}/transport.git .git",
    "a submodule's": "mv .git ../guest-tmp/moved; echo 'gitdir: ../guest-tmp/moved' > .git",
}


@pytest.mark.parametrize("harm", REPLACED.values(), ids=REPLACED.keys())
def test_a_git_folder_that_leads_elsewhere_is_not_used(world: GuestWorld, harm: str) -> None:
    base = world.checkout.head()
    lock = world.paths.transport / "x.lock"
    lock.write_text("")
    world.attack(harm.format(private=world.paths.private))
    world.write("new.html", "new")
    with pytest.raises(GitError):
        world.checkout.must_have(base)
    world.checkout.clear_locks()
    assert lock.exists(), "the runner removed a file that the guest's link named"


def test_odd_names_of_refs_and_files_are_names(world: GuestWorld) -> None:
    names = ("--upload-pack=touch", "-x", "a;touch${IFS}ran", "$(touch ran)", "ü\u202e", "a'b\"c")
    for name in names:
        world.attack(f"git rev-parse HEAD > '.git/refs/heads/{name}'" if "'" not in name else "true")
    world.attack("for n in '-f' '--all' '$(touch ran)' ':(exclude)x' \"$(printf 'a\\nb')\"; do echo x > \"./$n\"; done")
    files = world.checkout.changed_files(world.checkout.head())
    assert {"-f", "--all", "$(touch ran)", ":(exclude)x", "a\nb"} <= set(files)
    everything(world)
    other = world.fresh()
    other.begin()
    other.remote.exchange.load_bundle(world.paths.scratch / "b", timeout=30)
    assert other.resolve("refs/heads/thread-t1")
    assert not list(world.root.rglob("ran"))


FIFOS = {
    "config": "rm .git/config; mkfifo .git/config",
    "index": "rm .git/index; mkfifo .git/index",
    "an object": "mkdir -p .git/objects/aa; mkfifo .git/objects/aa/" + "b" * 38,
    "alternates": "mkdir -p .git/objects/info; mkfifo .git/objects/info/alternates",
    "a pack": "mkfifo .git/objects/pack/pack-" + "c" * 40 + ".idx",
    "a ref": "mkfifo .git/refs/heads/x",
    "packed-refs": "rm -f .git/packed-refs; mkfifo .git/packed-refs",
    "ignore": "mkfifo sub.d || true; mkdir -p sub; mkfifo sub/.gitignore; rm .gitignore; mkfifo .gitignore",
    "attributes": "mkfifo .gitattributes",
    "a tracked file": "rm about.html; mkfifo about.html",
    "a hidden file": "git update-index --skip-worktree about.html; rm about.html; mkfifo about.html",
}


@pytest.mark.parametrize("harm", FIFOS.values(), ids=FIFOS.keys())
def test_nothing_waits_at_a_fifo(world: GuestWorld, harm: str) -> None:
    world.write("new.html", "new")
    world.attack(harm)
    began = time.monotonic()
    try:
        world.checkout.unblock()
        assert world.checkout.head()
        assert "new.html" in world.checkout.changed_files(world.checkout.head())
        world.checkout.clear_locks()
        world.checkout.commit_all("Edit")
        world.checkout.remote.push(world.checkout.head(), "thread-t1", timeout=30)
    except (GitError, TimeoutError) as error:
        assert not isinstance(error, TimeoutError), error
    assert time.monotonic() - began < 20


def test_objects_that_git_refuses_are_told_and_the_edit_is_kept(world: GuestWorld) -> None:
    world.attack(
        "blob=$(echo x | git hash-object -w --stdin); "
        'tree=$(printf "100644 blob $blob\\t.git\\n" | git mktree); '
        "git update-ref HEAD $(git commit-tree $tree -p HEAD -m hostile)"
    )
    commit = world.checkout.head()
    with pytest.raises(StepFailed) as caught:
        world.checkout.remote.push(commit, "thread-t1", timeout=30)
    assert caught.value.error.code is ErrorCode.OBJECTS_REFUSED and "hasDotgit" in caught.value.error.message
    assert git(world.host.root / "site.git", "branch", "--list", "thread-t1") == ""
    world.checkout.remote.exchange.save_bundle(world.paths.scratch / "b", timeout=30)
    assert (world.paths.scratch / "b").stat().st_size > 0


def test_a_pack_that_is_too_large_or_unfolds_to_too_much_is_refused(
    world: GuestWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.attack("head -c 3000000 /dev/urandom > big; git add -A; git commit -qm big")
    with monkeypatch.context() as patch, pytest.raises(StepFailed) as caught:
        patch.setattr(transport, "PACK_BYTES", 1_000_000)
        world.checkout.remote.push(world.checkout.head(), "thread-t1", timeout=30)
    assert caught.value.error.code is ErrorCode.OBJECTS_REFUSED
    world.attack(
        "git rm -q --cached big; head -c 200000000 /dev/zero | git -c core.bigFileThreshold=1m hash-object -w --stdin > id; "
        "git update-index --add --cacheinfo 100644,$(cat id),zero; git commit -qm bomb; rm big id"
    )
    began = time.monotonic()
    monkeypatch.setattr(transport, "GIT_MEMORY_BYTES", 100 * 2**20)
    world.checkout.remote.exchange.bring(world.checkout.head(), timeout=60)
    assert time.monotonic() - began < 30, "200 MB of zeros are checked without holding them in memory"


def test_a_credential_is_in_no_place_that_the_guest_reads(world: GuestWorld) -> None:
    everything(world)
    said = world.attack(
        f"grep -rl '[{TOKEN[0]}]{TOKEN[1:]}' {world.paths.root} /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null"
    )
    assert [line for line in said.splitlines() if not line.startswith(f"/proc/{os.getpid()}")] == []


def test_an_error_of_one_command_is_an_error_of_the_workspace(world: GuestWorld) -> None:
    world.attack("rm -rf .git")
    with pytest.raises(WorkspaceError):
        world.checkout.commit_all("Edit")
