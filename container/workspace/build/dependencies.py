"""Provides node_modules: unpacks the lock file's archive from S3, or else installs the packages and archives them.

Unpacking takes seconds. `npm ci` takes ten times as long, and needs a registry.
"""

import contextlib
import hashlib
import json
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.expiry import CACHE, tagging
from sitewright.contracts.names import modules_key
from workspace.build import tarball
from workspace.build.install_inputs import ignores_scripts, inputs, lifecycle
from workspace.build.tarball import ArchiveError
from workspace.step_context import StepContext
from workspace.system.children import ChildResult

FOLDER = "node_modules"
MARK = ".sitewright-modules"
"""The file in node_modules with the key of the installation."""

PACKAGES_BYTES = "packages-bytes"
"""Metadata of an archive: the bytes of its first part, the installed packages. See `build_cache`."""


@dataclass(frozen=True)
class Manager:
    """A package manager, known by its lock file."""

    lockfile: str
    program: str
    arguments: tuple[str, ...]


# --include=dev, --prod=false: NODE_ENV is production, and some sites list Astro as a development dependency.
MANAGERS = (
    Manager("npm-shrinkwrap.json", "npm", ("ci", "--include=dev", "--no-audit", "--no-fund")),
    Manager("package-lock.json", "npm", ("ci", "--include=dev", "--no-audit", "--no-fund")),
    Manager("pnpm-lock.yaml", "pnpm", ("install", "--frozen-lockfile", "--prod=false")),
    Manager("yarn.lock", "yarn", ("install", "--frozen-lockfile", "--production=false")),
)
"""In order of precedence. npm is first, because the image always has it."""

_UNLOCKED = ("npm", "install", "--include=dev", "--no-audit", "--no-fund", "--no-package-lock")

_OUT_OF_SYNC = "npm error code EUSAGE"
"""The words of `npm ci` for a lock file that does not match package.json."""

_UNSYNCED = ("npm", "install", "--include=dev", "--no-audit", "--no-fund", "--no-save")
"""Uses the lock file's versions where it has them, and writes neither file."""

Run = Callable[..., ChildResult]

_NODES: dict[str, str] = {}
"""The version of node for a PATH."""


class NoManager(Exception):
    """The image lacks the package manager of the lock file."""


@dataclass(frozen=True)
class Modules:
    """Provides the checkout's node_modules."""

    ctx: StepContext
    run: Run
    """Runs a program in the checkout: `run(argv, on_line=...)`."""
    package: Mapping[str, Any]
    """The parsed package.json."""
    note: Callable[[str], None]
    """Takes a sentence for the site's operator."""

    def provide(self) -> ChildResult | None:
        """Makes node_modules match the lock file. Returns the package manager's result; None if it did not run.

        Raises NoManager, GitError, StepStopped, Fenced, TimeoutError, OSError.
        """
        manager = next((m for m in MANAGERS if (self.ctx.paths.site / m.lockfile).is_file()), None)
        if manager is None:
            self.ctx.progress("Installing packages (no lock file)")
            return self.run(_UNLOCKED)
        # Each npm workspace has its own node_modules, but the archive has only one.
        key = None if "workspaces" in self.package else self._key(manager)
        if key is not None and self._installed_for() == key:
            return None
        if key is not None and self._restore(key) and self._run_scripts():
            return None
        return self._install(manager, key)

    def _run_scripts(self) -> bool:
        """Runs the site's own install scripts on packages from the archive. Returns whether they succeeded.

        The archive lacks their output outside node_modules. A developer's second `npm install` runs them again too.
        """
        if ignores_scripts(self.ctx.paths.site):
            return True
        for name in lifecycle(self.package):
            # --ignore-scripts: otherwise npm also runs the pre and post scripts, which this loop runs itself.
            done = self.run(("npm", "run", "--ignore-scripts", name))
            if done.returncode != 0:
                self.ctx.log("an install script failed over packages from the archive", level="warning", script=name)
                return False
        return True

    def _install(self, manager: Manager, key: str | None) -> ChildResult:
        path = self.ctx.settings.inherited.get("PATH")
        if shutil.which(manager.program, path=path) is None:
            raise NoManager(
                f"The site has a {manager.lockfile}, but {manager.program} is not in the workspace image. Commit a "
                f"package-lock.json instead, or add {manager.program} to the image."
            )
        self.ctx.progress("Installing packages")
        with contextlib.suppress(FileNotFoundError):
            (self._folder / MARK).unlink()
        done = self._run_manager(manager)
        if done.returncode == 0 and key is not None and self._folder.is_dir():
            (self._folder / MARK).write_text(key)
            self._save(key)
        return done

    def _run_manager(self, manager: Manager) -> ChildResult:
        lines: list[str] = []
        done = self.run((manager.program, *manager.arguments), lines.append)
        if done.returncode == 0 or not any(_OUT_OF_SYNC in line for line in lines):
            return done
        # package.json was edited without its lock file. A client need not wait for a programmer to repair that.
        self.ctx.log("package.json and its lock file are not in sync, installing what both allow", level="warning")
        self.note(f"{manager.lockfile} does not fit package.json: run `npm install` and commit it.")
        return self.run(_UNSYNCED)

    @property
    def _folder(self) -> Path:
        return self.ctx.paths.site / FOLDER

    def _key(self, manager: Manager) -> str:
        """Returns the archive's key: a digest of everything that determines an installation."""
        parts = {
            "node": self._node(),
            "platform": f"{sys.platform}-{platform.machine()}",
            "manager": manager.program,
            **inputs(self.ctx.checkout, self.package, manager.lockfile),
        }
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return modules_key(self.ctx.settings.client_id, digest)

    def _node(self) -> str:
        # process.versions.modules is the ABI of native packages. The call takes 80 ms, so it runs once a workspace.
        path = self.ctx.settings.inherited.get("PATH", "")
        if path not in _NODES:
            version: list[str] = []
            self.run(("node", "-p", "process.version.split('.')[0] + '-' + process.versions.modules"), version.append)
            if not version:
                return ""
            _NODES[path] = "".join(version).strip()
        return _NODES[path]

    def _installed_for(self) -> str | None:
        try:
            return (self._folder / MARK).read_text()
        except (OSError, ValueError):
            return None

    def _restore(self, key: str) -> bool:
        bucket = self.ctx.settings.artifacts_bucket
        try:
            body = self.ctx.aws.s3.get_object(Bucket=bucket, Key=key)["Body"]
        except (ClientError, BotoCoreError) as error:
            self.ctx.log("no archive of node_modules", key=key, error=str(error))
            return False
        self.ctx.progress("Unpacking the site's packages")
        staging = self.ctx.paths.scratch / "modules"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            tarball.unpack(cast(IO[bytes], body), staging, env=self._env, check=self.ctx.fence.check_stop)
            if (staging / FOLDER / MARK).read_text() != key:
                raise ArchiveError("it is of another lock file")
            remove(self._folder)
            (staging / FOLDER).rename(self._folder)
        except (ArchiveError, zstandard.ZstdError, BotoCoreError, OSError, ValueError) as error:
            self.ctx.log("the archive of node_modules cannot be used", level="warning", key=key, error=str(error))
            return False
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return True

    def _save(self, key: str) -> None:
        archive = self.ctx.paths.scratch / "node_modules.tar.zst"
        try:
            tarball.pack(archive, self.ctx.paths.site, (FOLDER,), env=self._env, check=self.ctx.fence.check_stop)
            self.ctx.fence.verify()
            more = {"Metadata": {PACKAGES_BYTES: str(archive.stat().st_size)}, "Tagging": tagging(CACHE)}
            self.ctx.aws.s3.upload_file(str(archive), self.ctx.settings.artifacts_bucket, key, ExtraArgs=more)
        except (ArchiveError, Boto3Error, ClientError, BotoCoreError, OSError) as error:
            self.ctx.log("node_modules could not be archived", level="warning", key=key, error=str(error))
        finally:
            archive.unlink(missing_ok=True)

    @property
    def _env(self) -> Mapping[str, str]:
        return self.ctx.settings.inherited


def remove(path: Path) -> None:
    """Removes a file, a link or a folder, if it exists. Raises OSError."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
