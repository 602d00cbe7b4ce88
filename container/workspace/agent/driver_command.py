"""The command line of the driver. It is always the same, so that the driver can be started early."""

import sys
from pathlib import Path

import sitewright
import workspace
from workspace.system.prestarted_process import Program
from workspace.system.settings import Settings


def driver_program(settings: Settings) -> Program:
    """Returns the driver's program. The request on stdin has all data of a step."""
    # -P: Python imports no module from the working folder.
    argv = (sys.executable, "-P", "-m", "workspace.agent")
    return Program(argv, settings.paths.root, {**settings.inherited, "PYTHONPATH": _python_path()})


def _python_path() -> str:
    folders = [str(Path(package.__path__[0]).resolve().parent) for package in (workspace, sitewright)]
    return ":".join(dict.fromkeys(folders))
