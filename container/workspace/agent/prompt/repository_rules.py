"""Collects a repository's own rules for agents, for Claude Code's instructions.

Claude Code would read CLAUDE.md itself. But then it would also load the repository's settings, which can run programs. And it
does not read AGENTS.md: https://github.com/anthropics/claude-code/issues/6235.

The checkout is the guest's: a file may be a link, a fifo or of any size. A link is followed only within the checkout.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workspace.agent.prompt.rule_imports import beside, imports
from workspace.errors import WorkspaceError
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, Refusal
from workspace.repository.guest_git import GuestGit

ROOT_RULES = ("CLAUDE.md", ".claude/CLAUDE.md", "AGENTS.md")

RULES_FOLDER = ".claude/rules/"

PATHSPECS = (":(glob)**/CLAUDE.md", ":(glob)**/AGENTS.md", f":(glob){RULES_FOLDER}**/*.md")
"""For `git ls-files`: the files of rules that git tracks, in any folder."""

TOTAL_BYTES = 48 * 1024
"""The limit of all rules. They are in a program argument, which Linux limits to 128 KiB (execve(2), MAX_ARG_STRLEN). The summary
of an earlier conversation takes up to 32 of them."""

FILE_BYTES = 256 * 1024
"""A larger file is not read at all: it holds no rules."""

FILES = 100
"""How many files are read."""

LISTED = 40
"""How many files without room are named."""

DEPTH = 5
"""How many imports lead from a file of rules to an imported one. Third parties report this limit of Claude Code's."""

GIT_SECONDS = 10.0
"""How long git may take to list the files. It needs hundredths of a second in a repository of 20,000 files."""

_LINKS = 8
_LEAST_BYTES = 200
"""A file gets no less room than this: else it is only named."""


@dataclass(frozen=True)
class Rules:
    """The rules of a repository."""

    text: str = ""
    cut: list[str] = field(default_factory=list)
    """The files that are not in the text, or not whole. The text names them too."""
    outside: list[str] = field(default_factory=list)
    """Imports and links that lead out of the repository. They are not read."""


def read_rules(site: Path, git: GuestGit, log: Callable[..., None]) -> str:
    """Returns the text of the rules in the checkout `site`. Logs what is left out of it."""
    try:
        tracked = git.run("ls-files", "-z", "--", *PATHSPECS, timeout=GIT_SECONDS).split("\0")
    except (WorkspaceError, TimeoutError, OSError) as error:
        log("the files of rules in subfolders are not known", level="warning", error=str(error))
        tracked = []
    rules = repository_rules(site, filter(None, tracked))
    if rules.cut or rules.outside:
        cut, outside = rules.cut[:LISTED], rules.outside[:LISTED]
        log("some of the repository's rules are left out", level="warning", cut=cut, outside=outside)
    return rules.text


def repository_rules(site: Path, tracked: Iterable[str]) -> Rules:
    """Returns the rules in the checkout `site`. `tracked` are the files that match PATHSPECS, as paths in it.

    The rules of the whole repository come first, then those of its folders, each with what it imports.
    """
    return _Collection(site).of(_in_order(tracked))


def _in_order(tracked: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yields each file of rules and its heading."""
    names = sorted({name for name in tracked if "node_modules" not in name.split("/")} - set(ROOT_RULES))
    for name in ROOT_RULES:
        yield name, f"Rules of this repository ({name}):"
    for name in names:
        if name.startswith(RULES_FOLDER):
            yield name, f"Rules of this repository ({name}; `paths` at its top names the files that they are for):"
    for name in sorted(names, key=lambda name: (name.count("/"), name)):
        if not name.startswith(RULES_FOLDER):
            folder = name.rpartition("/")[0].removesuffix(".claude").rstrip("/")
            yield name, f"Rules for the files below {folder}/ ({name}):"


@dataclass
class _Collection:
    site: Path
    left: int = TOTAL_BYTES
    sections: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """The files that were read, by the names that links lead to."""
    known: set[int] = field(default_factory=set, repr=False)
    """The hashes of their texts: a copy is not repeated."""
    cut: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def of(self, files: Iterable[tuple[str, str]]) -> Rules:
        for name, heading in files:
            self._add(name, heading, DEPTH)
        if self.cut:
            named = "\n".join(f"- {name}" for name in self.cut[:LISTED])
            more = f"\n- and {len(self.cut) - LISTED} more" if len(self.cut) > LISTED else ""
            self.sections.append(
                "These files of rules are too long to stand here whole. Before you edit what one is for, read it:\n\n"
                f"{named}{more}"
            )
        return Rules("\n\n".join(self.sections), self.cut, self.outside)

    def _add(self, name: str, heading: str, depth: int) -> None:
        # A name that cannot be shown is nobody's rule, and half a surrogate pair cannot be sent.
        real = self._resolved(name) if name.isprintable() and not name.startswith(".git/") else None
        if real is None or real in self.seen:
            return
        self.seen.add(real)
        if len(self.seen) > FILES or self.left < _LEAST_BYTES:
            self.cut += [name] if guest_files.is_regular(self.site, real) else []
            return
        try:
            data = guest_files.read_file(self.site, real, limit=FILE_BYTES)
        except (GuestFileError, OSError) as error:
            if isinstance(error, GuestFileError) and error.reason is Refusal.TOO_LARGE:
                self.cut.append(name)
            return
        text = data.decode("utf-8", "ignore").strip()
        if not text or hash(text) in self.known or "\0" in text:
            return
        self.known.add(hash(text))
        self._write(name, heading, text)
        inside, outside = imports(text[:TOTAL_BYTES], real)
        self.outside += [path for path in outside if path not in self.outside]
        for path in inside if depth > 0 else []:
            self._add(path, f"{path}, which {name} imports:", depth - 1)

    def _write(self, name: str, heading: str, text: str) -> None:
        room = self.left - len(heading.encode("utf-8", "replace"))
        if room < _LEAST_BYTES and len(text.encode("utf-8", "replace")) > room:
            self.cut.append(name)
            return
        kept = _cut(text, room)
        if kept != text:
            self.cut.append(name)
            kept += f"\n(The rest of {name} is left out here.)"
        self.left = room - len(kept.encode("utf-8", "replace"))
        self.sections.append(f"{heading}\n\n{kept}")

    def _resolved(self, name: str) -> str | None:
        """Returns where a name leads within the checkout; None if it leads nowhere or out of it."""
        for _ in range(_LINKS):
            target = guest_files.link_target(self.site, name)
            if target is None:
                return name
            inside = beside(name, target)
            if inside is None:
                self.outside.append(f"{name} -> {target!r}")
                return None
            name = inside
        return None


def _cut(text: str, size: int) -> str:
    """Returns the beginning of a text, in whole lines if it is cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= size:
        return text
    kept = data[:size].decode("utf-8", "ignore")
    return (kept.rpartition("\n")[0] or kept).rstrip()
