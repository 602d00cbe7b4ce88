"""The folders of a workspace."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The folders of one workspace, all below one root (`/workspace` in the image)."""

    root: Path

    @property
    def site(self) -> Path:
        """The git checkout."""
        return self.root / "site"

    @property
    def home(self) -> Path:
        """HOME of the agent and the build, with Claude Code's transcripts below it."""
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        """The runner's scratch folder: archives, bundles, the temporary index."""
        return self.root / "tmp"
