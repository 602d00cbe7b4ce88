"""git in the checkout, always as the guest.

The checkout is the guest's, its .git folder too. Filters, textconv, merge drivers and whatever else its configuration
names may run in these commands. They run as the guest then, with the guest's rights: the runner gives no credential to
them, and ends every process of the guest before it uses one itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workspace.errors import GitError
from workspace.guest.guest_user import Guest
from workspace.repository.objects import streams
from workspace.repository.objects.streams import Command
from workspace.system.processes import Completed

SECONDS = 60.0
"""The limit of a local git command, which usually takes milliseconds. A file system may hang."""


@dataclass(frozen=True)
class GuestGit:
    """Runs git commands in a checkout. All methods raise TimeoutError, OutputTooLarge and OSError."""

    site: Path
    tmp: Path
    """The guest's folder for temporary files."""
    env: Mapping[str, str] = field(repr=False)
    guest: Guest = field(default_factory=Guest)

    def run(self, *argv: str, stdin: bytes = b"", check: bool = True, timeout: float = SECONDS) -> str:
        """Returns a command's stdout. With `check` an exit code other than 0 raises GitError."""
        done = self.completed(*argv, stdin=stdin, timeout=timeout)
        if check and done.returncode != 0:
            raise GitError(argv[0], done.returncode, done.stderr)
        return done.stdout.decode("utf-8", "surrogateescape")

    def completed(
        self,
        *argv: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
        poll: Callable[[], None] | None = None,
    ) -> Completed:
        """Runs a command to its end, whatever its exit code is. `env` adds variables."""
        return streams.run(self.command("git", *argv, env=env), stdin=stdin, timeout=timeout, poll=poll)

    def script(
        self,
        text: str,
        *arguments: str | Path,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
    ) -> Completed:
        """Runs lines of shell as the guest in the checkout. `arguments` are $1, $2, and so on."""
        argv = ("sh", "-c", text, "sh", *map(str, arguments))
        return streams.run(self.command(*argv, env=env), stdin=stdin, timeout=timeout)

    def command(self, *argv: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Command:
        """Returns a command of the guest's in the checkout."""
        return Command(argv, cwd or self.site, dict(self.env) | dict(env or {}), self.guest)
