"""Checkpoints: the restore in a fresh workspace, and damaged checkpoints."""

import io
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard
from botocore.exceptions import ClientError
from workspace.errors import GitError
from workspace.repository.checkpoints import checkpoint_archive, transcript_files
from workspace.repository.git_errors import BundleVerdict, classify_bundle
from workspace.repository.objects.object_exchange import ObjectExchange
from workspace.step_context import StepContext

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.expiry import CHECKPOINT, TAG
from sitewright.contracts.steps import AgentResult, BuildResult, StepName
from tests.support.workspace.runner_parts import accept, git, read_command, read_session
from tests.support.workspace.runner_world import (
    CONVERSATION,
    World,
    commit_step,
    edit,
    new_world,
)


def test_the_same_commands_edits_come_back_uncommitted(world: World) -> None:
    seen: dict[str, object] = {}

    def look(ctx: StepContext) -> BuildResult:
        seen["files"] = ctx.checkout.changed_files(ctx.checkout.head())
        seen["staged"] = git(ctx.paths.site, "diff", "--cached", "--name-only")
        seen["head"], seen["branch"] = ctx.checkout.head(), ctx.checkout.current_branch()
        seen["default"] = ctx.checkout.default_branch
        seen["text"] = (ctx.paths.site / "sub dir/ü.html").read_text()
        seen["transcript"] = [p.read_text() for p in (ctx.paths.home / ".claude/projects").rglob("*.jsonl")]
        return BuildResult()

    world.use(agent=edit({"sub dir/ü.html": "new", "index.html": "changed", "about.html": None}), build=look)
    assert world.step(StepName.AGENT) == 0
    session = read_session(world.clients)
    assert session.conversation_id == CONVERSATION
    assert session.checkpoint in world.checkpoints()
    world.host.answer = 500
    assert world.step(StepName.BUILD) == 0, "a restore must not need the git host"
    assert seen["files"] == ["about.html", "index.html", "sub dir/ü.html"]
    assert seen["staged"] == ""
    assert seen["head"] == world.remote("rev-parse", "main")
    assert (seen["branch"], seen["default"], seen["text"]) == ("thread-t1", "main", "new")
    assert len(seen["transcript"]) == 1 and "Edited" in seen["transcript"][0]  # type: ignore[arg-type,index]


def test_an_older_commands_edits_become_a_wip_commit_that_is_pushed(world: World) -> None:
    dirty: list[bool] = []

    def next_agent(ctx: StepContext) -> AgentResult:
        dirty.append(ctx.checkout.is_dirty())
        return AgentResult()

    world.use(agent=edit({"index.html": "half done"}))
    world.step(StepName.AGENT)
    accept(world.clients, "cmd-2", 2)
    world.use(agent=next_agent)
    assert world.step(StepName.AGENT, "cmd-2", 2) == 0
    assert dirty == [False]
    message = world.remote("log", "-1", "--format=%B", "thread-t1")
    assert message == "WIP: Interrupted by new message\n\nSession-Id: s1\nCommand-Id: cmd-1"
    assert world.remote("show", "thread-t1:index.html") == "half done"


def test_a_host_that_is_down_does_not_stop_the_next_command(world: World) -> None:
    world.use(agent=edit({"index.html": "half done"}))
    world.step(StepName.AGENT)
    accept(world.clients, "cmd-2", 2)
    world.host.answer = 503
    world.use(agent=edit({"more.html": "x"}))
    assert world.step(StepName.AGENT, "cmd-2", 2) == 0
    assert world.events("WIP commit not pushed, the next push takes it along")
    world.host.answer = None
    assert world.step(StepName.SALVAGE, "cmd-2", 2) == 0
    assert world.remote("show", "thread-t1:index.html") == "half done"
    assert world.remote("show", "thread-t1:more.html") == "x"


def test_leftovers_of_a_finished_run_are_no_interrupted_edits(world: World) -> None:
    def sloppy_build(ctx: StepContext) -> BuildResult:
        ctx.checkout.commit_all("Edit")
        (ctx.paths.site / "about.html").write_text("rewritten by the build")
        return BuildResult()

    world.use(agent=edit({"index.html": "1"}), build=sloppy_build)
    for step in (StepName.AGENT, StepName.BUILD, StepName.PUSH):
        assert world.step(step) == 0
    accept(world.clients, "cmd-2", 2)
    world.use(agent=edit({"new.html": "2"}))
    world.step(StepName.AGENT, "cmd-2", 2)
    assert git(world.root / "site", "log", "-1", "--format=%s") == "Edit"
    assert (world.root / "site/about.html").read_text() == "rewritten by the build"


def test_ignored_files_of_the_agent_outlive_the_workspace_and_are_in_no_commit(world: World) -> None:
    def agent(ctx: StepContext) -> AgentResult:
        (ctx.paths.site / "dist").mkdir()
        (ctx.paths.site / "dist/kept.html").write_text("kept")
        (ctx.paths.site / "dist/other.html").write_text("built")
        ctx.checkout.kept = ("dist/kept.html",)
        return edit({"index.html": "1"})(ctx)

    def build(ctx: StepContext) -> BuildResult:
        assert ctx.checkout.kept == ("dist/kept.html",)
        assert [path.name for path in (ctx.paths.site / "dist").iterdir()] == ["kept.html"]
        return commit_step()(ctx)

    world.use(agent=agent, build=build)
    for step in (StepName.AGENT, StepName.BUILD, StepName.PUSH):
        assert world.step(step) == 0
    assert "dist" not in world.remote("ls-tree", "--name-only", "thread-t1")
    accept(world.clients, "cmd-2", 2)
    world.use(agent=edit({"new.html": "2"}))
    assert world.step(StepName.AGENT, "cmd-2", 2) == 0
    assert (world.root / "site/dist/kept.html").read_text() == "kept"
    assert git(world.root / "site", "log", "-1", "--format=%s") == "[2026-01-01] Edit"


def test_only_the_newest_checkpoint_is_kept_and_an_unchanged_one_is_not_uploaded(world: World) -> None:
    world.use(agent=edit({"index.html": "1"}), build=lambda ctx: BuildResult())
    world.step(StepName.AGENT)
    first = read_session(world.clients).checkpoint
    assert world.checkpoints() == [first]
    tags = world.clients.s3.get_object_tagging(Bucket="artifacts", Key=str(first))["TagSet"]
    assert tags == [{"Key": TAG, "Value": CHECKPOINT}], "the lifecycle rule goes by it"
    world.step(StepName.BUILD)
    assert read_session(world.clients).checkpoint == first, "nothing changed, nothing to upload"
    world.use(build=commit_step())
    world.step(StepName.BUILD)
    second = read_session(world.clients).checkpoint
    assert second != first and world.checkpoints() == [second]


def test_a_background_checkpoint_is_not_repeated_at_the_steps_end(world: World) -> None:
    before: list[str | None] = []
    during: list[str | None] = []

    def build(ctx: StepContext) -> BuildResult:
        before.append(read_session(world.clients).checkpoint)
        ctx.checkout.commit_all("Edit")
        ctx.checkpoint_in_background()
        deadline = time.monotonic() + 20
        while read_session(world.clients).checkpoint == before[0] and time.monotonic() < deadline:
            time.sleep(0.02)
        during.append(read_session(world.clients).checkpoint)
        return BuildResult()

    world.use(agent=edit({"index.html": "1"}), build=build)
    world.step(StepName.AGENT)
    assert world.step(StepName.BUILD) == 0
    assert during != before
    assert read_session(world.clients).checkpoint == during[0] and world.checkpoints() == during


def test_a_failed_background_checkpoint_is_repeated_at_the_steps_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = world.clients.s3.put_object, threading.Semaphore(0)

    def put(**request: object) -> object:
        if threading.current_thread() is not threading.main_thread():
            tries.release()
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "PutObject")
        return real(**request)

    def build(ctx: StepContext) -> BuildResult:
        ctx.checkout.commit_all("Edit")
        ctx.checkpoint_in_background()
        assert tries.acquire(timeout=20)
        return BuildResult()

    world.use(agent=edit({"index.html": "1"}), build=build)
    world.step(StepName.AGENT)
    agents = read_session(world.clients).checkpoint
    monkeypatch.setattr(world.clients.s3, "put_object", put)
    assert world.step(StepName.BUILD) == 0
    assert world.events("checkpoint failed, the next one tries again")
    assert world.checkpoints() == [read_session(world.clients).checkpoint] != [agents]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "gone", "no bundle", "broken bundle"])
def test_a_damaged_checkpoint_falls_back_to_the_clone(world: World, damage: str) -> None:
    world.use(agent=edit({"index.html": "1"}), build=commit_step())
    for step in (StepName.AGENT, StepName.BUILD, StepName.PUSH):
        world.step(step)
    pushed = world.remote("rev-parse", "thread-t1")
    key = read_session(world.clients).checkpoint
    assert key is not None
    content = world.clients.s3.get_object(Bucket="artifacts", Key=key)["Body"].read()
    if damage == "gone":
        world.clients.s3.delete_object(Bucket="artifacts", Key=key)
    else:
        body = {"garbage": b"garbage", "truncated": content[: len(content) // 2]}.get(damage) or repacked(
            content, bundle=None if damage == "no bundle" else b"# v2 git bundle\nbroken"
        )
        world.clients.s3.put_object(Bucket="artifacts", Key=key, Body=body)
    accept(world.clients, "cmd-2", 2)
    world.use(agent=edit({"again.html": "2"}))
    assert world.step(StepName.AGENT, "cmd-2", 2) == 0
    assert world.events("the checkpoint is damaged, cloning instead")
    assert git(world.root / "site", "rev-parse", "HEAD") == pushed, "what was pushed must be there"
    assert world.remote("rev-parse", "thread-t1") == pushed
    lost = read_command(world.clients, "cmd-2").lost_checkpoint
    assert lost is not None and (lost.key, bool(lost.reason)) == (key, True), "the client has to hear of it"


LOAD = ObjectExchange.load_bundle


@pytest.mark.parametrize("words", ["fatal: unable to write new index file", "fatal: No space left on device"])
def test_a_transient_git_failure_is_retried(world: World, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    world.use(agent=edit({"index.html": "uncommitted"}), build=commit_step())
    world.step(StepName.AGENT)
    failures = [words, words]

    def stumble(self: ObjectExchange, bundle: Path, **options: Any) -> dict[str, str]:
        if failures:
            raise GitError("index-pack", 128, failures.pop())
        return LOAD(self, bundle, **options)

    monkeypatch.setattr(ObjectExchange, "load_bundle", stumble)
    assert world.step(StepName.BUILD) == 0
    assert git(world.root / "site", "show", "HEAD:index.html") == "uncommitted"
    assert not failures and read_command(world.clients, "cmd-1").lost_checkpoint is None


def test_a_full_disk_does_not_lose_the_edits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.use(agent=edit({"index.html": "uncommitted"}), build=commit_step())
    world.step(StepName.AGENT)
    key = read_session(world.clients).checkpoint

    def full(*_: Any, **__: Any) -> None:
        said = "error: file write error: No space left on device\nfatal: index-pack failed"
        raise GitError("index-pack", 128, said)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectExchange, "load_bundle", full)
        assert world.step(StepName.BUILD) == 0
    assert world.report[1]["error"] == "Step.Failed"
    assert read_session(world.clients).checkpoint == key
    assert read_command(world.clients, "cmd-1").lost_checkpoint is None
    assert world.step(StepName.BUILD) == 0
    assert git(world.root / "site", "show", "HEAD:index.html") == "uncommitted"


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("fatal: early EOF\nfatal: index-pack failed", BundleVerdict.DAMAGED),
        ("error: inflate: data stream error (incorrect data check)", BundleVerdict.DAMAGED),
        ("error: file write error: No space left on device\nfatal: index-pack failed", BundleVerdict.MACHINE),
        ("fatal: Unable to create '/workspace/site/.git/index.lock': File exists.", BundleVerdict.OPEN),
    ],
)
def test_classify_bundle(words: str, verdict: BundleVerdict) -> None:
    assert classify_bundle(words) is verdict


def repacked(content: bytes, *, bundle: bytes | None) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(content).read())) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            data = old.extractfile(member).read()  # type: ignore[union-attr]
            if member.name == checkpoint_archive.BUNDLE:
                if bundle is None:
                    continue
                data = bundle
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return zstandard.ZstdCompressor().compress(out.getvalue())


def test_a_bucket_that_does_not_answer_is_no_damaged_checkpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.use(agent=edit({"index.html": "uncommitted"}), build=commit_step())
    world.step(StepName.AGENT)
    key = read_session(world.clients).checkpoint

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    with monkeypatch.context() as patch:
        patch.setattr(world.clients.s3, "get_object", refuse)
        assert world.step(StepName.BUILD) == 0
    kind, report = world.report
    assert (kind, report["error"], report["cause"]["code"]) == ("failure", "Step.Failed", "internal_error")
    assert read_session(world.clients).checkpoint == key, "the edits in it must stay reachable"
    assert world.claim_is_free()


def test_the_agents_work_is_checkpointed_periodically(world: World) -> None:
    def long_agent(ctx: StepContext) -> AgentResult:
        import time

        (ctx.paths.site / "index.html").write_text("while working")
        deadline = time.monotonic() + 10
        while read_session(world.clients).checkpoint is None and time.monotonic() < deadline:
            time.sleep(0.05)
        raise KeyboardInterrupt  # like kill -9: the runner saves nothing at its end

    world.use(agent=long_agent, build=commit_step())
    with pytest.raises(KeyboardInterrupt):
        world.step(StepName.AGENT)
    world.clients.dynamodb.update_item(  # like task_stopped
        TableName="sessions",
        Key={"clientSession": {"S": "amelia#s1"}},
        UpdateExpression="REMOVE workspaceId, aliveUntil",
    )
    world.step(StepName.BUILD)
    assert git(world.root / "site", "show", "HEAD:index.html") == "while working"


def test_links_among_the_transcripts_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    projects = tmp_path / "home/.claude/projects/p"
    projects.mkdir(parents=True)
    (projects / "a.jsonl").symlink_to(secret)
    (projects / "b.jsonl").write_text("b")
    saved = transcript_files.saved_files(tmp_path / "home")
    assert [(entry.path, entry.size) for entry in saved] == [("p/b.jsonl", 1)]
    assert transcript_files.newest_conversation(tmp_path / "home") is None


def test_archives_cannot_write_elsewhere(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("projects/../../escaped")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    into = tmp_path / "a" / "b"
    into.mkdir(parents=True)
    with pytest.raises(checkpoint_archive.CheckpointError):
        checkpoint_archive.read(io.BytesIO(zstandard.ZstdCompressor().compress(out.getvalue())), into)
    assert not list(tmp_path.rglob("escaped"))


def test_an_empty_repository_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_world(tmp_path, monkeypatch, empty=True) as world:
        world.use(agent=edit({}))
        assert world.step(StepName.AGENT) == 0
        _, report = world.report
        assert report["cause"]["code"] == ErrorCode.REPOSITORY_EMPTY
        assert read_command(world.clients, "cmd-1").agent is None
        assert world.claim_is_free()
