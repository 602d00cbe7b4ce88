"""One installation and build of the checkout, up to its output folder."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.limits import PACKAGE_FILE_BYTES
from workspace.build import build_cache, dist_state
from workspace.build.dependencies import Modules
from workspace.build.failure_cause import BuildPart
from workspace.build.package_managers import NoManager, install_folder
from workspace.build.running.build_failed import BuildFailed
from workspace.build.running.build_variables import BuildVariables
from workspace.build.running.log_excerpt import excerpt
from workspace.build.running.missing_variables import message as missing_message
from workspace.build.running.missing_variables import missing_variables
from workspace.build.running.output_folder import PUBLIC, OutputFolder
from workspace.build.running.site_package import parse_package, read_package
from workspace.errors import StepStopped
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, below
from workspace.repository.local_rules import OUTPUTS
from workspace.step_context import StepContext
from workspace.system.child_environment import build_environment
from workspace.system.children import ChildResult

_BUILD = ("npm", "run", "build")

_SETTINGS = (".npmrc", ".yarnrc.yml")
"""Files in which package managers replace `${NAME}` by a variable."""


@dataclass
class SiteBuild:
    """Builds the site of a step, once or more, within its time limit."""

    ctx: StepContext
    note: Callable[[str], None]
    """Takes a sentence for the site's operator."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds by part: install, build."""
    edits_committed: bool = True
    """Whether what is new after an installation is the installation's. Otherwise it may be an edit."""
    variables: BuildVariables = field(default_factory=BuildVariables)
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.ctx.settings.build_timeout_seconds

    @property
    def directory(self) -> str:
        """The site's folder in the checkout; empty for the checkout itself."""
        return self.ctx.settings.directory or ""

    def build(self, commit: str) -> str:
        """Installs and builds. Returns the output folder in the checkout.

        Raises BuildFailed, StepStopped, Fenced, GitError, OSError.
        """
        self.variables = BuildVariables.read(self.ctx)
        package = read_package(self.ctx.paths.site, self.directory)
        with self.timed("install"):
            self._install(package)
        output = OutputFolder(self.ctx.paths.site, self.directory, self.ctx.settings.output, sources=self._committed)
        candidates = output.candidates()
        # A page that was deleted from the source must not survive in the output.
        for name in candidates:
            self.ctx.settings.guest.remove(self.ctx.paths.site / name)
        build_cache.forget_content(self.ctx)
        self.ctx.progress("Building the site")
        with self.timed("build"):
            try:
                self._succeed("npm run build", lambda: self.run(_BUILD), BuildPart.BUILD, package)
            except StepStopped:
                dist_state.mark_stopped(self.ctx.paths.scratch, commit, output.written(candidates) or candidates[0])
                raise
        found = output.written(candidates)
        if found is None:
            raise self._no_output(output)
        self.ctx.checkout.rules.leave_out(found)
        return found

    def run(
        self, argv: Sequence[str], on_line: Callable[[str], None] | None = None, *, folder: str | None = None
    ) -> ChildResult:
        """Runs a program with the build's environment, in the site's folder or another one of the checkout.

        Raises TimeoutError, StepStopped, OSError.
        """
        ctx = self.ctx
        return ctx.children.run(
            argv,
            cwd=ctx.paths.site / (self.directory if folder is None else folder),
            env=build_environment(
                ctx.paths, inherited=ctx.settings.inherited, author=ctx.author, extra=self.variables.values
            ),
            timeout=self.seconds_left(),
            on_line=on_line,
        )

    def seconds_left(self) -> float:
        """Returns how long a program may take."""
        return max(self.deadline - time.monotonic(), 1.0)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Notes the seconds of a part."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[part] = round(time.monotonic() - began, 3)

    def _install(self, package: dict[str, Any]) -> None:
        site = self.ctx.paths.site
        folder = install_folder(site, self.directory)
        packages = package if folder == self.directory else parse_package(site, folder)
        run = partial(self.run, folder=folder)
        modules = Modules(self.ctx, run, self.seconds_left, packages, self.note, folder, self.variables)
        before = modules.identity
        try:
            self._succeed("installing packages", modules.provide, BuildPart.INSTALL, packages, folder)
        except (NoManager, GuestFileError) as error:
            raise BuildFailed(str(error), BuildPart.PACKAGE) from error
        if self.edits_committed and (before is None or modules.identity != before):
            # Generators that run with an installation: later builds of this workspace need what they made.
            self.ctx.checkout.rules.leave_out_new()

    def _succeed(
        self,
        what: str,
        work: Callable[[], ChildResult | None],
        part: BuildPart,
        package: dict[str, Any],
        folder: str | None = None,
    ) -> None:
        try:
            done = work()
        except TimeoutError as error:
            seconds = self.ctx.settings.build_timeout_seconds
            message = f"{what} did not end within {seconds} s (`buildTimeoutSeconds` of the site)."
            raise BuildFailed(message, BuildPart.TIME) from error
        if done is None or done.returncode == 0:
            return
        tail = self.variables.clean(done.tail)
        text = f"{what} exited with {done.returncode}.\n{excerpt(tail, self.ctx.paths.site)}"
        if names := self._missing(done.tail, package, self.directory if folder is None else folder, part):
            text = f"{missing_message(names, f'`{what}`' if part is BuildPart.BUILD else 'The installation')}\n{text}"
            raise BuildFailed(text, BuildPart.VARIABLE, log=tail, code=ErrorCode.BUILD_VARIABLE_MISSING)
        raise BuildFailed(text, part, returncode=done.returncode, log=tail)

    def _missing(self, log: str, package: dict[str, Any], folder: str, part: BuildPart) -> tuple[str, ...]:
        scripts = package.get("scripts")
        settings = []
        for name in {below(place, file) for place in (folder, "") for file in _SETTINGS}:
            try:
                text = guest_files.read_file(self.ctx.paths.site, name, limit=PACKAGE_FILE_BYTES)
            except GuestFileError:
                continue
            settings.append(text.decode("utf-8", "replace"))
        known = build_environment(self.ctx.paths, inherited=self.ctx.settings.inherited, extra=self.variables.values)
        return missing_variables(
            log,
            known=[name for name, value in known.items() if value],
            scripts=scripts if isinstance(scripts, dict) else {},
            settings="\n".join(settings),
            installing=part is BuildPart.INSTALL,
        )

    def _no_output(self, output: OutputFolder) -> BuildFailed:
        setting, seen = self.ctx.settings.output, output.pages_elsewhere()
        usual = f"dist/ folder, and none of {', '.join(f'{name}/' for name in (*OUTPUTS[1:], PUBLIC))}"
        expected = f"{setting}/ folder (`output` of the site)" if setting else usual
        text = f"`npm run build` made no {expected}."
        if seen:
            text += f" These folders have an index.html: {', '.join(f'{name}/' for name in seen)}."
        if not seen and setting is None:
            return BuildFailed(text)
        return BuildFailed(text, BuildPart.OUTPUT, code=ErrorCode.OUTPUT_MISSING)

    def _committed(self, folders: Sequence[str]) -> set[str]:
        return set(self.ctx.checkout.run("ls-tree", "--name-only", "-z", "HEAD", "--", *folders).split("\0"))
