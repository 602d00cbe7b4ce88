"""The checkout's own rules for git, in .git/info: which folders git leaves out, and that line endings stay.

No commit has them. They count less than a .gitignore and more than a .gitattributes (gitignore(5), gitattributes(5)). The
guest may change them, as all of .git: a shell of the guest's writes them, and only its own git reads them.
"""

from dataclasses import dataclass

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

    def write(self) -> None:
        """Writes the rules. Raises GitError."""
        must("ls-tree", self.git.script(_WRITE, _LINE_ENDINGS, ALWAYS, *self.outputs))

    def leave_out(self, folder: str) -> None:
        """Lets git leave out one more folder that a build wrote, unless HEAD has files in it. Raises GitError."""
        if folder not in self.outputs:
            self.outputs = (*self.outputs, folder)
            self.write()
