"""`python -I -S timed.py PROGRAM …`: runs a program, and writes what it took as a line of JSON.

A process of its own, and a small one: on Linux a child's peak memory is never less than that of the process that forked it.
"""

import json
import os
import subprocess
import sys
import time

_KIB = 1 if sys.platform == "darwin" else 1024
"""Of `ru_maxrss`: kilobytes, on macOS bytes."""


def main() -> int:
    """The program's exit code; its output goes to stderr."""
    began = time.monotonic()
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rss": usage.ru_maxrss * _KIB}))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
