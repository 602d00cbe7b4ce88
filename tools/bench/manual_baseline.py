"""The manual baseline: Claude Code, the build and the push in a warm checkout, as a person runs them."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import claude_agent_sdk

from sitewright.local.errors import LocalError
from sitewright.local.machine.service_environment import network_environment, tool_path

CLAUDE = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"


class StepFailed(LocalError):
    """A command of the by-hand run ended with an error."""


@dataclass
class Checkout:
    """A clone with its packages installed."""

    folder: Path
    remote: str
    token: str
    model_url: str
    branch: str
    conversation: str | None = None
    _env: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Clones and installs; not measured."""
        home = self.folder.with_name(self.folder.name + "-home")
        home.mkdir(parents=True)
        self._env = self._environment(home)
        self._run(["git", *self._git(), "clone", "--quiet", self.remote, str(self.folder)], home)
        self._run(["git", "checkout", "--quiet", "-b", self.branch], self.folder)
        self._run(["npm", "ci", "--include=dev"], self.folder)

    def agent(self, instruction: str, *, resume: bool) -> float:
        """Seconds of Claude Code for the instruction."""
        argv = [str(CLAUDE), "-p", instruction, "--permission-mode", "bypassPermissions", "--output-format", "json"]
        if resume and self.conversation:
            argv += ["--resume", self.conversation]
        began = time.monotonic()
        said = self._run(argv, self.folder)
        seconds = time.monotonic() - began
        self.conversation = json.loads(said)["session_id"]
        return seconds

    def build(self) -> float:
        """Seconds of `npm run build`."""
        return self._timed([["npm", "run", "build"]])

    def push(self, subject: str) -> float:
        """Seconds of the commit and the push."""
        commit = ["git", "commit", "--quiet", "--message", subject]
        return self._timed(
            [["git", "add", "--all"], commit, ["git", *self._git(), "push", "--quiet", "origin", self.branch]]
        )

    def _timed(self, commands: Sequence[Sequence[str]]) -> float:
        began = time.monotonic()
        for argv in commands:
            self._run(argv, self.folder)
        return time.monotonic() - began

    def _git(self) -> list[str]:
        basic = base64.b64encode(f"x:{self.token}".encode()).decode()
        return ["-c", f"http.extraHeader=Authorization: Basic {basic}"]

    def _run(self, argv: Sequence[str], cwd: Path) -> str:
        done = subprocess.run(
            list(argv), cwd=cwd, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            end = " ".join((done.stderr or done.stdout).split())[-300:]
            raise StepFailed(f"{Path(argv[0]).name} ended with {done.returncode}: {end}.", "Correct it and try again.")
        return done.stdout

    def _environment(self, home: Path) -> dict[str, str]:
        env = network_environment(os.environ)
        identity = {
            f"GIT_{who}_{what}": "bench@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        return (
            env
            | identity
            | {
                "PATH": os.pathsep.join([*tool_path(), os.environ.get("PATH", os.defpath)]),
                "HOME": str(home),
                "NODE_ENV": "production",
                "CI": "1",
                "ASTRO_TELEMETRY_DISABLED": "1",
                "IS_SANDBOX": "1",
                "ANTHROPIC_API_KEY": "bench",
                "ANTHROPIC_BASE_URL": self.model_url,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            }
        )
