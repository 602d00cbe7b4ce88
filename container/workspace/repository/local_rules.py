"""The checkout's own rules for git, in .git/info: which folders git leaves out, and that line endings stay.

No commit has them. They count less than a .gitignore and more than a .gitattributes (gitignore(5), gitattributes(5)). The
guest may change them, as all of .git: a shell of the guest's writes them, and only its own git reads them.
"""

import re
from dataclasses import dataclass

from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError
from workspace.repository.guest_git import GuestGit
from workspace.repository.objects.transport import must

PACKAGES = "node_modules"

CACHES = (
    ".astro",
    ".cache",
    ".docusaurus",
    ".netlify",
    ".next",
    ".nuxt",
    ".output",
    ".parcel-cache",
    ".pnpm-store",
    ".svelte-kit",
    ".turbo",
    ".vercel",
    ".vite",
    ".wrangler",
)
"""Folders that package managers and site generators make beside the sources."""

OUTPUTS = ("dist", "_site", "build", "out")
"""Folders that only a build writes, unless the repository has one. `public` often holds sources."""

_LITTER = (".DS_Store", ".hugo_build.lock", "npm-debug.log*", "yarn-error.log*", "/.yarn/install-state.gz")

_LINE_ENDINGS = "* -text"
"""Files stay byte for byte. Otherwise git takes a file whose line endings contradict .gitattributes for changed, and a
question would make a commit."""

_PLAIN = re.compile(r"[\w@+-][\w.@+-]*(?:/[\w.@+-]+)*")
"""A path without a character that a pattern knows."""

_MADE = 200
"""How many files and folders of installations are left out."""

# A folder with a committed file is a source: a new file in it is an edit. `rm` comes first, for the guest may have put a link.
_WRITE = r"""
[ -d .git/info ] && [ ! -L .git/info ] || { rm -rf .git/info && mkdir -p .git/info; } || exit
rm -rf .git/info/exclude .git/info/attributes
printf '%s\n' "$1" > .git/info/attributes && printf '%s\n' "$2" > .git/info/exclude || exit
shift 2
sources=$(git ls-tree --name-only HEAD -- "$@" 2>/dev/null)
for folder; do
  printf '%s\n' "$sources" | grep -Fqx -- "$folder" || printf '/%s/\n' "$folder" >> .git/info/exclude
done
"""

ALWAYS = "\n".join((PACKAGES, *(f"{name}/" for name in CACHES), *_LITTER))
"""The patterns for every site."""


@dataclass
class LocalRules:
    """The rules of one checkout."""

    git: GuestGit
    outputs: tuple[str, ...] = OUTPUTS
    """Folders that git leaves out as long as HEAD has no file in them. Their names have no character that a pattern knows."""
    made: tuple[str, ...] = ()
    """Further files and folders that an installation made."""

    def write(self) -> None:
        """Writes the rules. Raises GitError."""
        patterns = "\n".join((ALWAYS, *(f"/{path}" for path in self.made)))
        must("ls-tree", self.git.script(_WRITE, _LINE_ENDINGS, patterns, *self.outputs))

    def leave_out(self, folder: str) -> None:
        """Lets git leave out one more folder that a build wrote, unless HEAD has files in it. Raises GitError."""
        if folder not in self.outputs:
            self.outputs = (*self.outputs, folder)
            self.write()

    def leave_out_new(self) -> None:
        """Lets git leave out what is new: an installation made it among the sources, and later builds need it.

        Raises GitError, TimeoutError.
        """
        paths = [name for path in self._untracked() for name in self._files(path)]
        new = [path for path in paths if _PLAIN.fullmatch(path) and path not in self.made]
        if new:
            self.made = (*self.made, *new)[:_MADE]
            self.write()

    def _untracked(self) -> list[str]:
        done = self.git.completed("status", "--porcelain", "-z", env={"GIT_OPTIONAL_LOCKS": "0"})
        entries = must("status", done).stdout.decode("utf-8", "surrogateescape").split("\0")
        return [entry[3:] for entry in entries if entry.startswith("?? ")]

    def _files(self, path: str) -> list[str]:
        """Returns the files of a new folder one by one, so that an edit may add another. Of a large one the folder."""
        folder = path.rstrip("/")
        try:
            inside = list(guest_files.walk(self.git.site, folder, max_entries=_MADE)) if path != folder else []
        except GuestFileError:
            return [folder]
        return [f"{folder}/{entry.path}" for entry in inside if not entry.is_folder] or [folder]
