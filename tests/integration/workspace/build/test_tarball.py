"""A tar that hangs ends with the step."""

import io
import os
import threading
import time
from pathlib import Path

import pytest
import zstandard
from workspace.build.tarball import ArchiveError, Tarball
from workspace.errors import StepStopped, StopReason
from workspace.guest.guest_user import Guest
from workspace.system.stop import Stop


@pytest.mark.parametrize("work", ["pack", "unpack"])
def test_a_tar_that_makes_no_progress_obeys_a_stop(tmp_path: Path, work: str) -> None:
    """The guest may stop it with SIGSTOP, for it runs as the guest."""
    fake = tmp_path / "bin" / "tar"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nkill -STOP $$\n")
    fake.chmod(0o755)
    stop = Stop()
    tarball = Tarball(Guest(), {"PATH": f"{fake.parent}:{os.environ['PATH']}"}, stop.check)
    timer = threading.Timer(0.5, stop.add, (StopReason.INTERRUPT,))
    timer.start()
    began = time.monotonic()
    with pytest.raises((ArchiveError, StepStopped, OSError)):
        if work == "pack":
            tarball.pack(tmp_path / "packed", tmp_path, ("bin",), limit=1 << 20)
        else:
            packed = zstandard.ZstdCompressor().compress(os.urandom(1 << 22))
            tarball.unpack(io.BytesIO(packed), tmp_path)
    timer.join()
    assert time.monotonic() - began < 10
