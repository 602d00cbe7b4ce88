"""The inputs of an installation: what goes into the clean tree, and what decides the site's own install scripts.

The clean tree holds the only files of the site that an installation needs (`TreeFiles`). Their digest is the key of the
shared archive, so nothing else can differ between two sessions that share one. An installation that needs more of the site
is not shared: npm workspaces, packages in folders of the repository, settings that name files.

The site's own install scripts (patch-package, a generator) run over the installed packages, and may read any file of the
repository. If all files counted, each edit would install anew. So two kinds count: those that such scripts usually read,
and those that the scripts' lines name.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sitewright.contracts.limits import LOCKFILE_BYTES, PACKAGE_FILE_BYTES
from workspace.build.package_managers import Manager
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, Refusal, below
from workspace.repository.checkout import Checkout

PACKAGE = "package.json"
NPMRC = ".npmrc"

LIFECYCLE = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
"""The site's own scripts that `npm ci` runs, in npm's order (npm documentation, "scripts", Life Cycle Operation
Order)."""

_FIELDS = (
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bundledDependencies",
    "overrides",
    "engines",
    "devEngines",
    "os",
    "cpu",
)
"""The fields of package.json that npm's installation reads. No script is among them."""

_SETTINGS = (NPMRC, ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "pnpm-workspace.yaml")

_HARMLESS = re.compile(
    r"(?:@[\w.-]+:)?registry|//[^=]+:[\w-]+|legacy-peer-deps|strict-peer-deps|engine-strict|ignore-scripts|save(?:-\w+)?|fund"
    r"|audit(?:-level)?|progress|loglevel|package-lock|lockfile-version|prefer-\w+|omit|include|optional|force|fetch-[\w-]+"
    r"|omit-lockfile-registry-resolved|replace-registry-host|install-links|before|min-release-age|legacy-bundling|tag|yes"
    r"|maxsockets|strict-ssl|update-notifier|color|access|always-auth|install-strategy|foreground-scripts|message"
    r"|(?:public-)?hoist-pattern\[\]|shamefully-hoist|auto-install-peers|strict-peer-dependencies|node-linker"
)
"""The settings of .npmrc that name no file and no program."""

_REMOTE = ("https://", "http://", "git+https://", "git+ssh://")

_PATCHES = ("patches", ".yarn/patches")
"""The folders of patch-package and pnpm, and of yarn."""

_SUFFIXES = ("", ".js", ".mjs", ".cjs", ".ts")
"""A script may name tools/setup.js as `node tools/setup`."""

_IGNORES_SCRIPTS = re.compile(r"^\s*ignore-scripts\s*=\s*true\s*$", re.MULTILINE)


@dataclass(frozen=True)
class TreeFiles:
    """The files of the clean tree by name."""

    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The digest of names and contents."""
        parts = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def tree_files(
    site: Path, package: Mapping[str, Any], manager: Manager, log: Callable[..., None], folder: str = ""
) -> TreeFiles | None:
    """Returns the files from which npm can install in a clean tree; None if the installation needs more of the site.

    Logs what it needs, because such a site installs in each new workspace. Raises GuestFileError.
    """
    lock = guest_files.read_file(site, below(folder, manager.lockfile), limit=LOCKFILE_BYTES)
    settings = _read(site, below(folder, NPMRC))
    if needs := _needs_of_site(package, manager, lock, settings or b""):
        log("the packages are not shared with other sessions", reason=needs)
        return None
    reduced = {name: package[name] for name in _FIELDS if name in package}
    files = {PACKAGE: json.dumps(reduced, sort_keys=True).encode(), manager.lockfile: lock}
    return TreeFiles(files if settings is None else {**files, NPMRC: settings})


def _needs_of_site(package: Mapping[str, Any], manager: Manager, lock: bytes, settings: bytes) -> str | None:
    """Returns why packages cannot be installed without the site's other files; None if they can. Pure."""
    if manager.program != "npm":
        return f"they are installed by {manager.program}"
    if "workspaces" in package:
        return "package.json has workspaces"
    if not _is_remote(lock):
        return f"{manager.lockfile} names files or folders of the site, or is of an old version"
    other = [name for name in _names(settings) if not _HARMLESS.fullmatch(name)]
    return f"{NPMRC} sets {', '.join(other)}" if other else None


def site_inputs(checkout: Checkout, package: Mapping[str, Any], manager: Manager, folder: str = "") -> dict[str, Any]:
    """Returns what decides whether the checkout's own node_modules is still up to date, as JSON.

    Reads lock file and settings in the worktree, and what the site's own install scripts read from HEAD.
    Raises GitError, GuestFileError.
    """
    site = checkout.site
    # One script may call another.
    scripts = package.get("scripts") if lifecycle(package) else None
    return {
        "manager": manager.program,
        "lockfile": _sha256(guest_files.read_file(site, below(folder, manager.lockfile), limit=LOCKFILE_BYTES)),
        "settings": {name: _sha256(_read(site, below(folder, name))) for name in _SETTINGS},
        "package": {name: package.get(name) for name in (*_FIELDS, "resolutions")},
        "scripts": scripts,
        "read": _committed(
            checkout, (below(folder, name) for name in (*_PATCHES, *_named(site, scripts or {}, folder)))
        ),
    }


def lifecycle(package: Mapping[str, Any]) -> list[str]:
    """Returns the site's own install scripts, in the order of their execution."""
    scripts = package.get("scripts")
    return [name for name in LIFECYCLE if isinstance(scripts, dict) and isinstance(scripts.get(name), str)]


def ignores_scripts(site: Path, folder: str = "") -> bool:
    """Returns whether the .npmrc of a folder forbids all install scripts. Raises GuestFileError."""
    return _IGNORES_SCRIPTS.search((_read(site, below(folder, NPMRC)) or b"").decode(errors="replace")) is not None


def _is_remote(lock: bytes) -> bool:
    """Returns whether a lock file names only packages of registries and git hosts, and no folder or file of the site."""
    try:
        packages = json.loads(lock)["packages"]
        found = [package for name, package in packages.items() if name]
        return all(
            not package.get("link") and str(package.get("resolved") or _REMOTE[0]).startswith(_REMOTE)
            for package in found
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _names(settings: bytes) -> Iterator[str]:
    for line in settings.decode(errors="replace").splitlines():
        text = line.strip()
        if text and text[0] not in "#;":
            yield text.partition("=")[0].strip()


def _read(site: Path, name: str) -> bytes | None:
    try:
        return guest_files.read_file(site, name, limit=PACKAGE_FILE_BYTES)
    except GuestFileError as error:
        if error.reason is Refusal.MISSING:
            return None
        raise


def _named(site: Path, scripts: Mapping[str, Any], folder: str = "") -> set[str]:
    """Returns the files and folders named by install scripts and by the scripts that they call.

    Instead of a file its folder counts, because the file may import its neighbours.
    """
    found: set[str] = set()
    seen, waiting = set(), [name for name in LIFECYCLE if name in scripts]
    while waiting:
        name = waiting.pop()
        if name in seen or not isinstance(scripts.get(name), str):
            continue
        seen.add(name)
        for word in _words(scripts[name]):
            waiting.append(word)
            path = PurePosixPath(word)
            if (
                "\0" in word
                or not path.parts
                or path.is_absolute()
                or ".." in path.parts
                or path.parts[0] == "node_modules"
            ):
                continue
            for suffix in _SUFFIXES:
                file = f"{path}{suffix}"
                if guest_files.is_folder(site, below(folder, file)):
                    found.add(file)
                elif guest_files.is_regular(site, below(folder, file)):
                    parent = str(PurePosixPath(file).parent)
                    found.add(file if parent == "." else parent)
    return found


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _committed(checkout: Checkout, paths: Iterable[str]) -> str:
    """Returns names and digests of the committed files at these paths."""
    return checkout.run("ls-tree", "-z", "HEAD", "--", *sorted(set(paths)))


def _sha256(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
