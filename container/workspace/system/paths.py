"""The folders of a workspace."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders of one workspace, all below one root (`/workspace` in the image), which is the runner's."""

    root: Path

    @property
    def site(self) -> Path:
        """The git checkout, which belongs to the guest."""
        return self.root / "site"

    @property
    def home(self) -> Path:
        """The guest's HOME, with Claude Code's transcripts below it."""
        return self.root / "home"

    @property
    def private(self) -> Path:
        """The runner's own folder, which the guest cannot open."""
        return self.root / "private"

    @property
    def scratch(self) -> Path:
        """The runner's scratch folder: archives, bundles, what is being restored."""
        return self.private / "scratch"

    @property
    def transport(self) -> Path:
        """The runner's own git directory for the git host."""
        return self.private / "transport.git"

    @property
    def guest_tmp(self) -> Path:
        """The guest's folder for temporary files, such as git's temporary index."""
        return self.root / "guest-tmp"

    @property
    def tmp(self) -> Path:
        """TMPDIR of the agent and the build, made anew for each step.

        Not `guest_tmp`: a build that empties its TMPDIR must not take a checkpoint's temporary index along.
        """
        return self.root / "tmp"

    @property
    def install(self) -> Path:
        """The guest's folder in which packages are installed for the cache."""
        return self.root / "install"
