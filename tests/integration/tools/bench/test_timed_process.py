"""The benchmark's clock around a program."""

import json
import subprocess
import sys

from tools.bench.publish_speed import timed_process


def test_the_time_and_memory_are_the_programs_own() -> None:
    eat = "import time; x = bytearray(100_000_000); time.sleep(0.2); print('out'); raise SystemExit(3)"
    argv = [sys.executable, "-I", "-S", timed_process.__file__, sys.executable, "-I", "-S", "-c", eat]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    row = json.loads(done.stdout)
    assert done.returncode == 3
    assert row["seconds"] >= 0.2
    assert 100_000_000 < row["rss"] < 150_000_000
