"""Docker or Podman through its command line: one that answers, and the few things the stack asks of it."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sitewright.local.errors import NoEngine
from sitewright.local.machine.service_environment import engine_environment
from sitewright.local.machine.service_processes import run_group

ENGINE_VARIABLE = "SITEWRIGHT_CONTAINER_ENGINE"
STACK_LABEL = "sitewright.stack"
"""On every container: the folder of its stack."""

CANDIDATES = (("docker",), ("podman",))
ANSWER_SECONDS = 20
CALL_SECONDS = 60
BUILD_END_SECONDS = 10
REMEDY = (
    "Start or install one, name its command in SITEWRIGHT_CONTAINER_ENGINE, or run `sitewright up` without `--runtime`."
)


class EngineError(Exception):
    """The engine refused. The text is its message in one line."""


@dataclass(frozen=True)
class ContainerState:
    """A container's state from `inspect`."""

    running: bool
    exit_code: int
    out_of_memory: bool


@dataclass(frozen=True)
class Engine:
    """The command that is Docker or Podman."""

    command: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Engine":
        """Returns the engine of a command line, such as `sudo docker`."""
        return cls(tuple(shlex.split(text)))

    @property
    def text(self) -> str:
        """Returns the text that `parse` reads."""
        return shlex.join(self.command)

    @classmethod
    def find(cls, env: Mapping[str, str]) -> "Engine":
        """Returns the first engine that answers. Raises NoEngine."""
        named = shlex.split(env.get(ENGINE_VARIABLE, ""))
        problems = []
        for command in (tuple(named),) if named else CANDIDATES:
            engine, name = cls(command), " ".join(command)
            if shutil.which(command[0], path=env.get("PATH")) is None:
                problems.append(f"{name} is not installed")
                continue
            try:
                engine.call(["ps", "--quiet"], seconds=ANSWER_SECONDS)
            except EngineError as error:
                problems.append(f"{name} does not answer ({error})")
            else:
                return engine
        raise NoEngine(f"`--runtime docker` needs Docker or Podman: {', '.join(problems)}.", REMEDY)

    def call(self, arguments: Sequence[str], *, seconds: float = CALL_SECONDS) -> str:
        """Runs the engine to its end and gives its output. Raises EngineError."""
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                env=engine_environment(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"no answer within {seconds:.0f} s") from error
        except OSError as error:
            raise EngineError(str(error)) from error
        if done.returncode:
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise EngineError(said[-1] if said else f"exit code {done.returncode}")
        return done.stdout

    def has_image(self, image: str) -> bool:
        """Tells whether the engine has the image."""
        try:
            self.call(["image", "inspect", "--format", "{{.Id}}", image])
        except EngineError:
            return False
        return True

    def build(self, arguments: Sequence[str], cwd: Path, output: BinaryIO) -> int:
        """`build …`, its output to a file; the exit code. It may take minutes. Raises OSError."""
        # Podman runs the steps itself and clears up on SIGTERM; on SIGKILL a step goes on without it.
        return run_group(
            [*self.command, "build", *arguments],
            cwd=cwd,
            env=engine_environment(os.environ),
            output=output,
            grace=BUILD_END_SECONDS,
        )

    def run(self, options: Sequence[str], image: str, command: Sequence[str], *, seconds: float = CALL_SECONDS) -> str:
        """`run` of an image that is here. Raises EngineError."""
        return self.call(["run", "--pull=never", *options, image, *command], seconds=seconds)

    def follow(self, name: str) -> "subprocess.Popen[bytes]":
        """`logs --follow`, which ends when the container does. A pipe: it must not outlive its reader. Raises OSError."""
        return subprocess.Popen(
            [*self.command, "logs", "--follow", name],
            env=engine_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def state(self, name: str) -> ContainerState | None:
        """Returns a container's state, or None if it does not exist. Raises EngineError."""
        try:
            answer = self.call(["container", "inspect", "--format", "{{json .State}}", name])
        except EngineError as error:
            if "no such" in str(error).lower():
                return None
            raise
        try:
            found: dict[str, Any] = json.loads(answer)
        except ValueError as error:
            raise EngineError(f"inspect answered {answer[:80]!r}") from error
        waiting = found.get("Status") in {"created", "initialized", "restarting"}
        return ContainerState(
            bool(found.get("Running")) or waiting, int(found.get("ExitCode") or 0), bool(found.get("OOMKilled"))
        )

    def stop(self, name: str, seconds: int) -> None:
        """SIGTERM, after `seconds` SIGKILL; returns when it has ended. Raises EngineError."""
        self.call(["stop", "-t", str(seconds), name], seconds=seconds + CALL_SECONDS)

    def kill(self, name: str) -> None:
        """SIGKILL. Raises EngineError."""
        self.call(["kill", name])

    def names(self, stack: Path) -> set[str]:
        """Returns the names of a stack's containers, also of ended ones. Raises EngineError."""
        label = f"label={STACK_LABEL}={stack}"
        return set(self.call(["ps", "--all", "--filter", label, "--format", "{{.Names}}"]).split())

    def remove(self, names: Iterable[str]) -> None:
        """Removes; one that runs is killed first, for Podman would give it ten seconds. Raises EngineError."""
        if given := sorted(names):
            for name in given:
                with contextlib.suppress(EngineError):
                    self.kill(name)
            self.call(["rm", "--force", "--volumes", *given])

    def remove_stack(self, stack: Path) -> int:
        """Kills and removes every container of a stack; returns how many. Raises EngineError."""
        names = self.names(stack)
        self.remove(names)
        return len(names)
