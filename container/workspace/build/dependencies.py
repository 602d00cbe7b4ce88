"""Provides node_modules: unpacks the shared archive from S3, or installs the packages in a clean tree and archives them.

Unpacking takes seconds. `npm ci` takes ten times as long, and needs a registry. The site's own install scripts run over the
result, which is the session's own from then on: nothing goes back into the archive.
"""

import contextlib
import hashlib
import json
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitewright.contracts.names import modules_key
from workspace.build import build_cache
from workspace.build.clean_tree import FOLDER, CleanTree
from workspace.build.install_inputs import TreeFiles, ignores_scripts, lifecycle, site_inputs, tree_files
from workspace.build.modules_archive import ModulesArchive
from workspace.build.package_managers import OUT_OF_SYNC, UNLOCKED, UNSYNCED, Manager, manager_of
from workspace.build.running.build_variables import BuildVariables
from workspace.step_context import StepContext
from workspace.system.children import ChildResult

Run = Callable[..., ChildResult]

MARK = "installed-modules.json"
"""The file in the runner's private folder that tells of what the checkout's node_modules is made. The guest could change it
in node_modules."""

_NODES: dict[str, str] = {}
"""The version of node for a PATH."""


@dataclass(frozen=True)
class Modules:
    """Provides the checkout's node_modules."""

    ctx: StepContext
    run: Run
    """Runs a program in the checkout: `run(argv, on_line=...)`."""
    seconds_left: Callable[[], float]
    """Returns how long a program may take."""
    package: Mapping[str, Any]
    """The parsed package.json."""
    note: Callable[[str], None]
    """Takes a sentence for the site's operator."""
    folder: str = ""
    """The folder of package.json and lock file in the checkout."""
    variables: BuildVariables = field(default_factory=BuildVariables)

    def provide(self) -> ChildResult | None:
        """Makes node_modules match the lock file. Returns the result of the last program; None if nothing was installed.

        Raises NoManager, GitError, GuestFileError, StepStopped, Fenced, TimeoutError, OSError.
        """
        site = self.ctx.paths.site
        manager = manager_of(site, self.folder)
        if manager is None:
            self.ctx.progress("Installing packages (no lock file)")
            return self.run(UNLOCKED)
        files = tree_files(site, self.package, manager, self.ctx.log, self.folder)
        inputs = site_inputs(self.ctx.checkout, self.package, manager, self.folder)
        wanted = self._digest({"tree": files and files.digest, **inputs})
        # Each npm workspace has its own node_modules, and the mark tells of only one.
        if "workspaces" not in self.package and self._mark.is_of(wanted):
            return None
        self._mark.remove()
        manager.must_exist(self.ctx.settings.inherited.get("PATH"))
        done = self._provide_shared(files, manager) if files is not None else self._install_in_checkout(manager)
        if done is None or done.returncode == 0:
            build_cache.restore(self.ctx)
            self._mark.write(wanted)
        return done

    @property
    def identity(self) -> str | None:
        """What the checkout's node_modules is made of; None if that is not known."""
        return None if "workspaces" in self.package else self._mark.read()

    def _provide_shared(self, files: TreeFiles, manager: Manager) -> ChildResult | None:
        archive = ModulesArchive(self.ctx, self._archive_key(files, manager))
        tree = CleanTree.make(self.ctx, self.variables.values)
        installed: ChildResult | None = None
        try:
            if not archive.unpack(tree):
                self.ctx.progress("Installing packages")
                # A checkpoint beside it runs git in the checkout, and so the filters that the agent may have planted.
                with self.ctx.checkpoints_paused():
                    tree = CleanTree.make(self.ctx, self.variables.values)
                    installed = tree.install(files, manager, self.seconds_left())
                    if installed.returncode == 0 and tree.has_modules:
                        archive.save(tree)
                if installed.returncode != 0:
                    out_of_sync = OUT_OF_SYNC in installed.tail
                    return self._install_in_checkout(manager) if out_of_sync else installed
            if tree.has_modules:
                tree.move_modules(self._modules)
            else:
                self.ctx.settings.guest.remove(self._modules)
        finally:
            tree.remove()
        return self._run_scripts() or installed

    def _install_in_checkout(self, manager: Manager) -> ChildResult:
        """Installs where the site's own files are. Such an installation is not shared."""
        self.ctx.progress("Installing packages")
        lines: list[str] = []
        done = self.run(manager.command, lines.append)
        if done.returncode == 0 or not any(OUT_OF_SYNC in line for line in lines):
            return done
        # package.json was edited without its lock file. A client need not wait for a programmer to repair that.
        self.ctx.log("package.json and its lock file are not in sync, installing what both allow", level="warning")
        self.note(f"{manager.lockfile} does not fit package.json: run `npm install` and commit it.")
        return self.run(UNSYNCED)

    def _run_scripts(self) -> ChildResult | None:
        """Runs the site's own install scripts over packages of the clean tree. Returns the result of one that failed."""
        if ignores_scripts(self.ctx.paths.site, self.folder):
            return None
        for name in lifecycle(self.package):
            # --ignore-scripts: otherwise npm also runs the pre and post scripts, which this loop runs itself.
            done = self.run(("npm", "run", "--ignore-scripts", name))
            if done.returncode != 0:
                return done
        return None

    @property
    def _modules(self) -> Path:
        return self.ctx.paths.site / self.folder / FOLDER

    @property
    def _mark(self) -> "_Mark":
        return _Mark(self.ctx.paths.private / MARK, self._modules)

    def _archive_key(self, files: TreeFiles, manager: Manager) -> str:
        """Returns the archive's key: a digest of exactly what goes into the tree, and of what runs over it."""
        digest = self._digest({"tree": files.digest, "command": manager.command})
        return modules_key(self.ctx.settings.client_id, digest)

    def _digest(self, parts: Mapping[str, Any]) -> str:
        if self.variables.values:
            parts = {"variables": self.variables.identity, **parts}
        parts = {"node": self._node(), "platform": f"{sys.platform}-{platform.machine()}", **parts}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()

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


@dataclass(frozen=True)
class _Mark:
    """Tells of what the node_modules in the checkout is made. A folder that the guest made instead has another inode."""

    file: Path
    folder: Path

    def read(self) -> str | None:
        try:
            return self.file.read_text()
        except OSError:
            return None

    def is_of(self, digest: str) -> bool:
        try:
            return self.file.read_text() == self._text(digest)
        except OSError:
            return False

    def write(self, digest: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.file.write_text(self._text(digest))

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)

    def _text(self, digest: str) -> str:
        found = self.folder.lstat()
        return json.dumps({"inputs": digest, "device": found.st_dev, "inode": found.st_ino})
