"""The runner's own bare repository, through which all objects go between the checkout and the git host.

The guest can neither read nor write it. It shares no object with the checkout: objects come as packs through a pipe,
and git checks each of them (`index-pack --strict`). It keeps what it has while the workspace lives.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sitewright.contracts.limits import GIT_MEMORY_BYTES, PACK_BYTES
from workspace.errors import GitError
from workspace.repository.objects import streams
from workspace.repository.objects.streams import Command
from workspace.system.processes import Completed

_CONFIG = """[core]
\trepositoryformatversion = 0
\tbare = true
\tbigFileThreshold = 16m
[receive]
\tautogc = false
"""
"""Written anew before each command: where there is one user, a program of the guest's may have changed it."""

_OLD_FLAWS = (
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "multipleAuthors",
    "nulInCommit",
    "zeroPaddedFilemode",
)
"""Flaws of commits and trees that old programs wrote, and that git hosts accept (git-fsck(1), "FSCK MESSAGES"). The
session's whole history comes through here after a restore."""

STRICT = "--strict=" + ",".join(f"{flaw}=ignore" for flaw in _OLD_FLAWS)

_SECONDS = 60.0
OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class Transport:
    """The bare repository. All methods raise GitError, TimeoutError, OSError."""

    folder: Path
    env: Mapping[str, str] = field(repr=False)

    def clear(self) -> None:
        """Removes the repository, for a clone into its place."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def prepare(self) -> None:
        """Makes the repository, or puts its configuration in order."""
        if not (self.folder / "HEAD").is_file():
            self.clear()
            argv = ("init", "--quiet", "--bare", "--template=", str(self.folder))
            must("init", streams.run(Command(("git", *argv), self.folder.parent, self.env), timeout=_SECONDS))
        self.folder.chmod(0o700)
        for name in ("config.worktree", "hooks", "objects/info/alternates", "info/attributes", "info/grafts"):
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        (self.folder / "config").unlink(missing_ok=True)
        (self.folder / "config").write_text(_CONFIG)

    def command(self, *argv: str, env: Mapping[str, str] | None = None) -> Command:
        """Returns a git command of the runner's in this repository."""
        return Command(("git", *argv), self.folder, dict(self.env) | {"GIT_DIR": str(self.folder)} | dict(env or {}))

    def index_pack(self) -> Command:
        """Returns the command that takes a pack from its stdin, with a limit of size and of memory.

        A small pack may unfold to any size: each object is checked, and large ones are not kept in memory.
        """
        options = ("--stdin", "--fix-thin", STRICT, f"--max-input-size={PACK_BYTES}")
        command = self.command("index-pack", *options)
        return Command(("prlimit", f"--data={GIT_MEMORY_BYTES}", "--", *command.argv), command.cwd, command.env)

    def run(self, *argv: str, stdin: bytes = b"", check: bool = True) -> Completed:
        """Runs a local git command in this repository."""
        done = streams.run(self.command(*argv), stdin=stdin, timeout=_SECONDS)
        return must(argv[0], done) if check else done

    def refs(self) -> dict[str, str]:
        """Returns object id by name of ref."""
        lines = self.run("for-each-ref", "--format=%(objectname) %(refname)").stdout.decode("utf-8", "surrogateescape")
        pairs = (line.partition(" ") for line in lines.splitlines())
        return {name: found for found, _, name in pairs}

    def having(self, commits: Iterable[str]) -> set[str]:
        """Returns those of these commits that the repository has."""
        return known_commits(lambda data: self.run("cat-file", "--batch-check", stdin=data).stdout, commits)

    def keep(self, name: str, commit: str) -> None:
        """Sets a ref, so that a commit is known as present."""
        self.run("update-ref", name, commit)


def known_commits(ask: Callable[[bytes], bytes], commits: Iterable[str]) -> set[str]:
    """Returns the commits of which `git cat-file --batch-check` says that they exist."""
    asked = [commit for commit in dict.fromkeys(commits) if OBJECT_ID.fullmatch(commit)]
    if not asked:
        return set()
    answers = ask("".join(f"{commit}\n" for commit in asked).encode()).decode("ascii", "replace").splitlines()
    return {words[0] for words in map(str.split, answers) if len(words) == 3 and words[1] == "commit"} & set(asked)


def must(command: str, done: Completed) -> Completed:
    """Returns a command's result. Raises GitError unless it ended with 0."""
    if done.returncode != 0:
        raise GitError(command, done.returncode, done.stderr)
    return done
