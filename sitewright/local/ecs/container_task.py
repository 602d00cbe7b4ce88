"""Tasks as containers of Docker or Podman.

The engine keeps the container, its log and its exit code until it is removed, also after a killed ECS service.
The container has the task's id as its name, and the label of the stack.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field

from sitewright.local.containers.container_engine import STACK_LABEL, ContainerState, Engine, EngineError
from sitewright.local.containers.container_options import ISOLATION, limits
from sitewright.local.ecs.task import Json, Task
from sitewright.local.machine.service_environment import aws_environment, container_network
from sitewright.local.machine.stack_home import Home, write_private

TASK_LABEL = "sitewright.task"
_RETRY_SECONDS = 0.5


@dataclass
class ContainerTask(Task):
    """A task and its container."""

    engine: Engine = field(kw_only=True)
    home: Home = field(kw_only=True)
    options: list[str] = field(default_factory=list)
    """Further options of `run` for this container."""
    there: bool = False
    """An earlier ECS service process started it."""
    limited: bool = True
    _starting: bool = False
    _started: bool = False
    _end: ContainerState | None = None
    _gone: bool = False
    """Ended, however; `_end` is None where the container was removed by somebody else."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.there:
            self._started = True
            threading.Thread(target=self._watch, daemon=True).start()

    @property
    def adopted(self) -> bool:
        """See Task.adopted."""
        return self.there

    def start(self) -> None:
        """See Task.start."""
        with self._lock:
            if self.stop_asked:
                return
            self._starting = True
        try:
            self._run()
        except (EngineError, OSError, ValueError) as error:
            self.failed = f"CannotStartContainerError: {error}"
            with contextlib.suppress(EngineError):
                self.engine.remove([self.id])  # Docker leaves one that was created but did not start
        with self._lock:
            self._starting, self._started = False, self.failed is None
            stop = self.stop_asked
        if self._started:
            threading.Thread(target=self._watch, daemon=True).start()
            if stop:
                self._stop()

    def _run(self) -> None:
        lines = [f"{name}={value}" for name, value in self.environment().items()]
        if broken := [line for line in lines if "\n" in line]:
            # A line of the file is a variable: the rest would be taken for others.
            raise ValueError(f"the variable {broken[0].partition('=')[0]} has a line break")
        file = self.home.tmp / f"{self.id}.env"
        file.parent.mkdir(parents=True, exist_ok=True)
        # Not among the arguments, which everybody on the machine can read: the task token is one of them.
        write_private(file, "\n".join(lines) + "\n")
        options = [
            "--detach",
            f"--name={self.id}",
            f"--label={STACK_LABEL}={self.home.root}",
            f"--label={TASK_LABEL}={self.arn}",
            f"--env-file={file}",
            *ISOLATION,
            *self.options,
        ]
        if self.limited:
            options += limits(self.definition.get("cpu"), self.definition.get("memory"))
        try:
            self.engine.run(options, self.container["image"], self.container.get("command", []))
        finally:
            file.unlink(missing_ok=True)

    def _watch(self) -> None:
        """Copies the log until the container has ended; then its state is known."""
        while True:
            try:
                self._copy_log()
                state = self.engine.state(self.id)
            except (EngineError, OSError) as error:
                print(f"{self.id}: {error}", flush=True)
            else:
                if state is None or not state.running:
                    self._end = state
                    break
            # The engine was restarted, or ended the log early.
            time.sleep(_RETRY_SECONDS)
        self._gone = True

    def _copy_log(self) -> None:
        # From its beginning each time: what was copied before comes again, byte for byte, and what was shipped is an offset.
        reader = self.engine.follow(self.id)
        assert reader.stdout is not None  # noqa: S101
        with reader.stdout, self.log.open("wb", buffering=0) as log:
            while block := os.read(reader.stdout.fileno(), 1 << 16):
                log.write(block)
        reader.wait()

    def stop(self) -> None:
        """See Task.stop."""
        with self._lock:
            if self.stop_asked or self.over:
                return
            self.stop_asked = True
            if not self._started:
                return  # `start` looks again
        self._stop()

    def _stop(self) -> None:
        def stop() -> None:
            try:
                self.engine.stop(self.id, self.stop_seconds)
            except EngineError as error:
                print(f"{self.id} could not be stopped: {error}", flush=True)

        threading.Thread(target=stop, daemon=True).start()

    def kill(self) -> None:
        """See Task.kill."""
        if self._started and not self.over:
            with contextlib.suppress(EngineError):
                self.engine.kill(self.id)

    def remove(self) -> None:
        """See Task.remove."""
        if self._started:
            try:
                self.engine.remove([self.id])
            except EngineError as error:
                print(f"{self.id} could not be removed: {error}", flush=True)

    @property
    def over(self) -> bool:
        """See Task.over."""
        if self._started:
            return self._gone
        return self.failed is not None or (self.stop_asked and not self._starting)

    @property
    def exit_code(self) -> int | None:
        """See Task.exit_code."""
        return self._end.exit_code if self._end else None

    @property
    def end_reason(self) -> str | None:
        """Returns the reason in the words of ECS's agent."""
        if self._end and self._end.out_of_memory:
            return "OutOfMemoryError: Container killed due to memory usage"
        return super().end_reason


class ContainerRuntime:
    """Runs each task's image."""

    def __init__(self, engine: Engine, home: Home, endpoint_url: str, region: str, *, limited: bool = True) -> None:
        self.engine = engine
        self.home = home
        self.limited = limited
        env, self.options = container_network(os.environ)
        self.env = {**aws_environment(endpoint_url, region), **env}
        self.before = engine.names(home.root)
        """Containers of an earlier ECS service process that no task has taken over yet."""

    def task(self, data: Json, definition: Json, endpoints: dict[str, str]) -> ContainerTask:
        """See Runtime.task."""
        identity = data["taskArn"].rsplit("/", 1)[-1]
        folder, log = self.home.tasks / identity, self.home.task_logs / f"{identity}.log"
        there = identity in self.before
        self.before.discard(identity)
        return ContainerTask(
            data,
            definition,
            folder,
            log,
            {**self.env, **endpoints},
            engine=self.engine,
            home=self.home,
            options=self.options,
            there=there,
            limited=self.limited,
        )

    def clear(self, tasks: dict[str, Task]) -> None:
        """Removes containers whose tasks were stopped while no ECS service ran."""
        if self.before:
            with contextlib.suppress(EngineError):
                self.engine.remove(self.before)
                self.before = set()
