"""A folder in which packages are installed or unpacked before anything of the site's own sees them.

The runner makes it anew each time, while no process of the guest is alive. HOME, npm's cache and the folder for temporary
files are new too: in the usual ones the agent may have left a ~/.npmrc, a poisoned cache, or compiled code that node loads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workspace.build.install_inputs import TreeFiles
from workspace.build.package_managers import Manager
from workspace.guest import guest_files
from workspace.step_context import StepContext
from workspace.system.child_environment import build_environment
from workspace.system.children import ChildResult
from workspace.system.processes import run_bounded

FOLDER = "node_modules"
_MOVE_SECONDS = 60.0


@dataclass(frozen=True)
class CleanTree:
    """The tree of one installation."""

    ctx: StepContext
    path: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables that the site's operator gives to installation and build."""

    @classmethod
    def make(cls, ctx: StepContext, variables: Mapping[str, str]) -> "CleanTree":
        """Ends the guest's processes and makes an empty tree. Raises OSError, GuestSurvives, TimeoutError."""
        guest, root = ctx.settings.guest, ctx.paths.install
        guest.end_all(ctx.log)
        guest.remove(root)
        # The folder itself stays the runner's, so that no script of a package can replace the tree by a link.
        root.mkdir(mode=0o755)
        for name in ("tree", "home", "cache", "tmp"):
            guest.folder(root / name)
        return cls(ctx, root / "tree", variables)

    def install(self, files: TreeFiles, manager: Manager, timeout: float) -> ChildResult:
        """Installs the packages and runs their scripts, as the guest. Afterwards no process of the guest is alive.

        Raises StepStopped, TimeoutError, OSError.
        """
        guest, root = self.ctx.settings.guest, self.path.parent
        for name, content in files.files.items():
            (self.path / name).write_bytes(content)
            guest.owns(self.path / name)
        # Variables count more than the .npmrc of the tree. npm and node keep compiled code in the folder TMPDIR.
        own = {
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "NPM_CONFIG_CACHE": str(root / "cache"),
            "NPM_CONFIG_USERCONFIG": str(root / "home" / ".npmrc"),
        }
        env = build_environment(self.ctx.paths, inherited=self.ctx.settings.inherited, extra={**self.variables, **own})
        done = self.ctx.children.run(manager.command, cwd=self.path, env=env, timeout=timeout)
        guest.end_all(self.ctx.log)
        return done

    @property
    def has_modules(self) -> bool:
        """Whether node_modules is there, and no link."""
        return guest_files.is_folder(self.path, FOLDER)

    def move_modules(self, target: Path) -> None:
        """Replaces the checkout's node_modules by the tree's. Raises OSError, TimeoutError, StepStopped."""
        guest = self.ctx.settings.guest
        guest.remove(target)
        # As the guest: a folder of its own may have a sticky bit, and the runner follows no path there.
        moved = run_bounded(
            ("mv", "--", str(self.path / FOLDER), str(target)),
            cwd=self.ctx.paths.root,
            env=self.ctx.settings.inherited,
            timeout=_MOVE_SECONDS,
            guest=guest,
            poll=self.ctx.fence.check_stop,
        )
        if moved.returncode:
            raise OSError(f"node_modules could not be moved: {moved.stderr.strip()[-300:]}")

    def remove(self) -> None:
        """Removes the tree. Logs an OSError: the next tree begins with the same removal."""
        try:
            self.ctx.settings.guest.remove(self.path.parent)
        except OSError as error:
            self.ctx.log("the tree of the installation stays", level="warning", error=str(error))
