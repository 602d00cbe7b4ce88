"""The folder of a local stack: `.local/` in the repository, or the one that SITEWRIGHT_HOME names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY_ROOT = Path(__file__).resolve().parents[3]
"""The checkout this package lies in: `cdk.json`, `container/`, `.venv/`."""

HOME_VARIABLE = "SITEWRIGHT_HOME"


@dataclass(frozen=True)
class Home:
    """The folders and files of one local stack. A second home is a second stack beside the first."""

    root: Path

    @classmethod
    def find(cls, option: Path | None, env: Mapping[str, str]) -> "Home":
        """The home named by `--home`, else by SITEWRIGHT_HOME, else `.local/` in the repository."""
        named = option or (Path(env[HOME_VARIABLE]) if env.get(HOME_VARIABLE) else None)
        return cls((named or REPOSITORY_ROOT / ".local").expanduser().absolute())

    def create(self) -> None:
        """Makes the folders. Other users may not read them: the git token is inside."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (
            self.log,
            self.task_logs,
            self.run,
            self.task_records,
            self.tasks,
            self.git,
            self.emulator,
            self.tmp,
        ):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def log(self) -> Path:
        """The logs, one for each service."""
        return self.root / "log"

    @property
    def task_logs(self) -> Path:
        """The logs of the workspaces, one each."""
        return self.log / "tasks"

    @property
    def run(self) -> Path:
        """Records of the running services (pid, start time)."""
        return self.root / "run"

    @property
    def task_records(self) -> Path:
        """Records of the running workspaces."""
        return self.run / "tasks"

    @property
    def tasks(self) -> Path:
        """The file systems of the workspaces, a folder each."""
        return self.root / "tasks"

    @property
    def git(self) -> Path:
        """Bare repositories of the git host."""
        return self.root / "git"

    @property
    def emulator(self) -> Path:
        """State that the emulator keeps over a restart."""
        return self.root / "emulator"

    @property
    def decisions(self) -> Path:
        """Each right that a role of the stack used, or lacked; see sitewright/local/emulator/identity."""
        return self.log / "iam-decisions.jsonl"

    @property
    def orders(self) -> Path:
        """Changes when a task is ordered or stopped; see sitewright/local/emulator/task_orders.py."""
        return self.emulator / "task-orders"

    @property
    def tmp(self) -> Path:
        """TMPDIR of the services."""
        return self.root / "tmp"

    @property
    def cdk_out(self) -> Path:
        """The synthesized cloud assembly."""
        return self.root / "cdk.out"

    @property
    def token_file(self) -> Path:
        """The git host's token, mode 0600."""
        return self.root / "git-token"

    @property
    def stack_file(self) -> Path:
        """URLs, names and ARNs of the stack; exists while it is up."""
        return self.root / "stack.json"

    @property
    def state_file(self) -> Path:
        """Ports, sites and the deployed configuration, kept from one `up` to the next."""
        return self.root / "state.json"

    @property
    def event_faults(self) -> Path:
        """Probabilities of losing or repeating task events; see sitewright/local/ecs/event_faults.py. Usually not there."""
        return self.root / "event-faults.json"

    @property
    def vcpu_limit(self) -> Path:
        """The most vCPUs that tasks may have; see sitewright/local/ecs/vcpu_limit.py. Usually not there."""
        return self.root / "vcpu-limit.json"

    @property
    def lock_file(self) -> Path:
        """Locked while `up` or `down` works."""
        return self.root / "lock"

    @property
    def lock_owner(self) -> Path:
        """The process that has the lock."""
        return self.root / "lock-owner.json"


def write_private(path: Path, text: str) -> None:
    """Replaces a file in one step, readable by its owner only."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
