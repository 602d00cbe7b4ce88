"""The package managers, their lock files and their commands."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from workspace.guest import guest_files
from workspace.guest.guest_files import below

OUT_OF_SYNC = "npm error code EUSAGE"
"""The words of `npm ci` for a lock file that does not match package.json."""

UNLOCKED = ("npm", "install", "--include=dev", "--no-audit", "--no-fund", "--no-package-lock")

UNSYNCED = ("npm", "install", "--include=dev", "--no-audit", "--no-fund", "--no-save")
"""Uses the lock file's versions where it has them, and writes neither file."""


class NoManager(Exception):
    """The image lacks the package manager of the lock file."""


@dataclass(frozen=True)
class Manager:
    """A package manager, known by its lock file."""

    lockfile: str
    program: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> tuple[str, ...]:
        """The command line that installs exactly the lock file's packages."""
        return (self.program, *self.arguments)

    def must_exist(self, path: str | None) -> None:
        """Raises NoManager if the program is not in PATH."""
        if shutil.which(self.program, path=path) is None:
            raise NoManager(
                f"The site has a {self.lockfile}, but {self.program} is not in the workspace image. Commit a "
                f"package-lock.json instead, or add {self.program} to the image."
            )


# --include=dev, --prod=false: NODE_ENV is production, and some sites list Astro as a development dependency.
MANAGERS = (
    Manager("npm-shrinkwrap.json", "npm", ("ci", "--include=dev", "--no-audit", "--no-fund")),
    Manager("package-lock.json", "npm", ("ci", "--include=dev", "--no-audit", "--no-fund")),
    Manager("pnpm-lock.yaml", "pnpm", ("install", "--frozen-lockfile", "--prod=false")),
    Manager("yarn.lock", "yarn", ("install", "--frozen-lockfile", "--production=false")),
)
"""In order of precedence. npm is first, because the image always has it."""


def manager_of(site: Path, folder: str = "") -> Manager | None:
    """Returns the package manager of a folder of the checkout; None without a lock file."""
    found = (manager for manager in MANAGERS if guest_files.is_regular(site, below(folder, manager.lockfile)))
    return next(found, None)


def install_folder(site: Path, directory: str) -> str:
    """Returns the folder in which packages are installed: the nearest one with a lock file, from the site's upward.

    Without any lock file it is the site's own folder. The checkout itself is the empty string.
    """
    folder = directory
    while manager_of(site, folder) is None:
        if not folder:
            return directory
        folder = folder.rpartition("/")[0]
    return folder
