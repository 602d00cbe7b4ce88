"""A daemon that was started within a git command: notes everything it can read of any process, for two minutes."""

import contextlib
import signal
import time
from pathlib import Path

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
seen: set[bytes] = set()
end = time.monotonic() + 120
while time.monotonic() < end:
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            with contextlib.suppress(OSError):
                text = (process / name).read_bytes()
                if text not in seen:
                    seen.add(text)
                    with Path("/tmp/traces").open("ab") as file:
                        file.write(b"watched " + text.replace(b"\0", b"\n") + b"\n")
    time.sleep(0.02)
