"""The bare repositories of the git host: made from the demo site or from a repository of the user's."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from local.errors import BadSiteRepository
from local.home import REPOSITORY_ROOT

DEMO_SITE = REPOSITORY_ROOT / "local" / "demo_site"
_IDENTITY = ["-c", "user.name=Sitewright", "-c", "user.email=sitewright@localhost"]


def ensure_repository(bare: Path, source: str | None) -> None:
    """Makes the bare repository unless it is there. Raises BadSiteRepository."""
    if bare.exists():
        return
    partial = bare.with_suffix(".new")
    shutil.rmtree(partial, ignore_errors=True)
    if source:
        _git(["clone", "--quiet", "--bare", source, str(partial)], source)
        _git(["-C", str(partial), "rev-parse", "--verify", "--quiet", "HEAD"], source)
    else:
        with tempfile.TemporaryDirectory() as folder:
            checkout = Path(folder) / "site"
            shutil.copytree(DEMO_SITE, checkout, ignore=shutil.ignore_patterns("node_modules", "dist", ".astro"))
            run = ["-C", str(checkout), *_IDENTITY]
            _git([*run, "init", "--quiet", "--initial-branch", "main"], "the demo site")
            _git([*run, "add", "--all"], "the demo site")
            _git([*run, "commit", "--quiet", "--message", "The bakery's site"], "the demo site")
            _git(["clone", "--quiet", "--bare", str(checkout), str(partial)], "the demo site")
    _git(["-C", str(partial), "config", "http.receivepack", "true"], str(partial))
    partial.rename(bare)


def _git(arguments: list[str], what: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadSiteRepository(
            f"git cannot use {what} as a site's repository: {done.stderr.strip() or 'it has no commit'}",
            "Name a git repository with at least one commit in --site-repo.",
        )
