#!/usr/bin/env python3
"""A fake of Docker's command line for the local stack. Runs host processes; records each call in FAKE_ENGINE/calls.

Files in that folder cause failures: `down` (does not answer), `refuse` (words that `run` rejects).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent


def fail(text: str) -> None:
    print(text, file=sys.stderr)
    sys.exit(125)


def alive(folder: Path) -> bool:
    return not (folder / "exit").exists()


def of(name: str) -> Path:
    folder = ROOT / "containers" / name
    if not folder.is_dir():
        fail(f"Error: No such container: {name}")
    return folder


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    options = [a for a in arguments if a.startswith("--")]
    return options, arguments[len(options) :]


def value(options: list[str], name: str) -> str:
    return next((o.partition("=")[2] for o in options if o.startswith(f"--{name}=")), "")


def run(arguments: list[str]) -> None:
    options, [image, *command] = split(arguments)
    refuse = ROOT / "refuse"
    if refuse.exists() and any(word in o for word in refuse.read_text().split() for o in options):
        fail("Error: refused")
    if image not in (ROOT / "images").read_text().split():
        fail(f"Error: {image}: image not known")
    if "--detach" not in options:
        print((ROOT / "shows").read_text() if (ROOT / "shows").exists() else "")
        return
    env_file = Path(value(options, "env-file"))
    folder = ROOT / "containers" / value(options, "name")
    folder.mkdir(parents=True)
    (folder / "mode").write_text(oct(env_file.stat().st_mode & 0o777))
    (folder / "env").write_text(env_file.read_text())
    label = next(o.partition("=")[2] for o in options if o.startswith("--label=sitewright.stack="))
    (folder / "label").write_text(label)
    argv = [sys.executable, __file__, "_supervise", folder.name, *command]
    subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (folder / "pid").exists():
        time.sleep(0.01)


def supervise(name: str, *command: str) -> None:
    folder = of(name)
    env = dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable if part == "python" else part for part in command], env=env, stdout=log, stderr=log
        )
    (folder / "pid").write_text(str(child.pid))
    code = child.wait()
    (folder / "exit.new").write_text(str(128 - code if code < 0 else code))
    (folder / "exit.new").rename(folder / "exit")


def logs(name: str) -> None:
    folder, at = of(name), 0
    while True:
        ended = not alive(folder)
        data = (folder / "log").read_bytes()[at:]
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        at += len(data)
        if ended or (ROOT / "logs-end").exists():
            return
        time.sleep(0.02)


def inspect(name: str) -> None:
    folder = of(name)
    code = 0 if alive(folder) else int((folder / "exit").read_text())
    print(json.dumps({"Running": alive(folder), "ExitCode": code, "OOMKilled": (ROOT / "oom").exists()}))


def send(name: str, number: int) -> None:
    folder = of(name)
    if not alive(folder):
        fail(f"Error: container {name} is not running")
    os.kill(int((folder / "pid").read_text()), number)


def stop(seconds: float, name: str) -> None:
    folder = of(name)
    send(name, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while alive(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    if alive(folder):
        send(name, signal.SIGKILL)


def remove(names: list[str]) -> None:
    for name in names:
        folder = of(name)
        while alive(folder):
            time.sleep(0.02)  # a test that reaches this forgot to kill the container
        folder.rename(ROOT / "removed" / name)


def main() -> None:
    verb, *rest = sys.argv[1:]
    if verb == "_supervise":
        supervise(*rest)
        return
    with (ROOT / "calls").open("a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\n")
    if (ROOT / "down").exists():
        fail("Cannot connect to the engine.")
    if verb == "run":
        run(rest)
    elif verb == "build":
        tags = [value([option], "tag") for option in rest if option.startswith("--tag=")]
        for option in rest:
            if option.startswith("--secret="):
                print("secret", option.partition("src=")[2], Path(option.partition("src=")[2]).read_text())
        if (ROOT / "refuse").exists():
            fail("Error: no such base image")
        with (ROOT / "images").open("a") as images:
            images.write("\n".join(tags) + "\n")
    elif verb == "image":
        if rest[-1] not in (ROOT / "images").read_text().split():
            fail("Error: no such image")
    elif verb == "logs":
        logs(rest[-1])
    elif verb == "container":
        inspect(rest[-1])
    elif verb == "stop":
        stop(float(rest[1]), rest[2])
    elif verb == "kill":
        send(rest[0], signal.SIGKILL)
    elif verb == "rm":
        remove([name for name in rest if not name.startswith("--")])
    elif verb == "ps":
        label = next((part.partition("label=")[2] for part in rest if part.startswith("label=")), None)
        for folder in (ROOT / "containers").iterdir():
            if label == (folder / "label").read_text():
                print(folder.name)


main()
