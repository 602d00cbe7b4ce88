"""What a checkpoint that cannot be read says about the commits in it: damage is an answer, a full disk is none."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from workspace.errors import GitError, StepStopped, StopReason
from workspace.repository.checkout import Checkout
from workspace.repository.checkpoints import checkpoint_archive
from workspace.repository.checkpoints.checkpoint_archive import CheckpointError
from workspace.repository.newer_work.other_sessions import NotLent, OtherSessions
from workspace.system.aws_clients import Clients
from workspace.system.paths import Paths

from sitewright.contracts.records import SessionRecord

SESSION = SessionRecord(session_id="s2", chat_thread_id="t2", client_id="amelia", checkpoint="key")


def sessions(folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> OtherSessions:
    """The other sessions of a client, whose checkpoints fail with `error`."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(checkpoint_archive, "download", lambda *_: None)
    checkout = SimpleNamespace(
        remote=SimpleNamespace(exchange=SimpleNamespace(load_objects=fail)), resolve=lambda _commit: None
    )
    clients = cast(Clients, SimpleNamespace(s3=None))
    return OtherSessions(
        clients, "artifacts", Paths(folder), cast(Checkout, checkout), lambda _: SESSION, lambda *_, **__: None
    )


@pytest.mark.parametrize(
    "error", [CheckpointError("the object is gone"), GitError("index-pack", 128, "fatal: index-pack failed")]
)
def test_a_checkpoint_that_is_gone_or_damaged_has_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert not sessions(tmp_path, error, monkeypatch).lend("s2", "1" * 40, poll=None)


@pytest.mark.parametrize(
    "error", [TimeoutError("index-pack"), OSError("no space"), GitError("index-pack", 128, "no space left on device")]
)
def test_a_checkpoint_that_this_machine_cannot_unpack_may_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with pytest.raises(NotLent):
        sessions(tmp_path, error, monkeypatch).lend("s2", "1" * 40, poll=None)


def test_a_stop_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise StepStopped(StopReason.INTERRUPT)

    for error in (GitError("index-pack", -9, ""), StepStopped(StopReason.INTERRUPT)):
        with pytest.raises(StepStopped):
            sessions(tmp_path, error, monkeypatch).lend("s2", "1" * 40, poll=stop)
