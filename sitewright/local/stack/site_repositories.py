"""Makes the bare repositories of the git host, from the demo site or from the user's repository."""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from sitewright.local.errors import BadSiteRepository
from sitewright.local.machine.stack_home import REPOSITORY_ROOT

DEMO_SITE = REPOSITORY_ROOT / "sitewright" / "local" / "demo_site"
_IDENTITY = ["-c", "user.name=Sitewright", "-c", "user.email=sitewright@localhost"]


def without_credentials(url: str) -> str:
    """The URL with *** in place of its credentials."""
    return re.sub(r"(\w://)[^/\s]*@", r"\1***@", url)


def checked_source(source: str) -> str:
    """The source as an absolute path or a URL without credentials. Raises BadSiteRepository."""
    if "://" not in source:
        path = Path(source).expanduser().absolute()
        # host:path is ssh, unless a file of that name exists.
        if path.exists() or not re.match(r"[^/]+:", source):
            return str(path)
        return source
    try:
        url = urlsplit(source)
        secret = url.password is not None or (url.scheme in {"http", "https"} and url.username is not None)
        _ = url.port  # of https://user:pass/word@host the port is "pass"
    except ValueError as error:
        raise BadSiteRepository("--site-repo is no URL that can be read.", "Correct it, or name a folder.") from error
    if secret:
        raise BadSiteRepository(
            f"--site-repo holds credentials ({without_credentials(source)}), which would be written to disk.",
            "Leave them out: git asks its credential helper. Or clone it yourself and name the folder.",
        )
    return source


def ensure_repository(bare: Path, source: str | None, directory: str = "") -> None:
    """Makes the bare repository unless it exists. `directory` is the site's folder in it. Raises BadSiteRepository."""
    if bare.exists():
        return
    partial = bare.with_suffix(".new")
    shutil.rmtree(partial, ignore_errors=True)
    if source:
        _git(["clone", "--quiet", "--bare", source, str(partial)], source)
        _git(["-C", str(partial), "rev-parse", "--verify", "--quiet", "HEAD"], source)
        _git(["-C", str(partial), "remote", "remove", "origin"], source)
        _check_site(partial, source, directory)
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


def _check_site(bare: Path, source: str, directory: str) -> None:
    """Raises BadSiteRepository for a repository whose site's folder has no build script."""
    run = ["git", "-C", str(bare)]
    file = f"{directory}/package.json" if directory else "package.json"
    branch = subprocess.run([*run, "branch", "--show-current"], capture_output=True, text=True, check=False)
    shown = subprocess.run([*run, "show", f"HEAD:{file}"], capture_output=True, text=True, check=False)
    where = f"{source} (branch {branch.stdout.strip() or 'HEAD'})"
    remedy = "Commit a package.json whose `npm run build` writes dist/. --settings may name another `directory`."
    if shown.returncode:
        raise BadSiteRepository(
            f"{where} has no package.json {f'in {directory}' if directory else 'at its top'}.", remedy
        )
    try:
        build = json.loads(shown.stdout)["scripts"]["build"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadSiteRepository(f"The package.json of {where} has no script `build`.", remedy) from error
    if not isinstance(build, str) or not build.strip():
        raise BadSiteRepository(f"The package.json of {where} has an empty script `build`.", remedy)


def _git(arguments: list[str], what: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith(("fatal:", "error:"))] or [done.stderr]
        raise BadSiteRepository(
            f"git cannot use {what} as a site's repository: {said[0].strip() or 'it has no commit'}.",
            "Name a git repository with at least one commit in --site-repo.",
        )
