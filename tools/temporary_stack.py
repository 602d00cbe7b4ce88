"""A stack of a measurement's own: with its own settings, and gone afterwards."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sitewright.local.machine.stack_home import Home
from sitewright.local.progress import Report
from sitewright.local.stack import stack_state
from sitewright.local.stack.service_startup import EMULATOR, EmulatorProgram
from sitewright.local.stack.stack_control import StackOptions, down, up
from sitewright.local.stack.stack_owner import owned_stacks

Json = dict[str, Any]
_MODEL = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
"""A real model takes another time at every run."""


def temporary_home(home: Home, name: str) -> Home:
    """A home below the user's, whose stack may run meanwhile."""
    return Home(home.root / "own" / name)


def up_with_sites(
    home: Home, sites: Sequence[str], emulator: EmulatorProgram = EMULATOR, say: Report | None = None
) -> Json:
    """Starts a stack with all these sites in one deployment, and returns its `stack.json`. Raises LocalError."""
    state = stack_state.read(home)
    if missing := [site for site in sites if site not in state["sites"]]:
        home.create()
        stack_state.save(home, {**state, "sites": [*state["sites"], *missing]})
    return up(home, StackOptions(runtime="process", emulator=emulator), say or report)


@contextlib.contextmanager
def temporary_stack(
    home: Home, sites: Sequence[str], settings: Mapping[str, str], emulator: EmulatorProgram = EMULATOR
) -> Iterator[Json]:
    """Yields `stack.json` of a stack with these sites and environment variables. Raises LocalError.

    The stack ends with the block, and also when this process is killed.
    """
    before = dict(os.environ)
    try:
        for name in _MODEL:
            os.environ.pop(name, None)
        os.environ.update(settings)
        down(home, report)  # a stack of an older run has other settings
        with owned_stacks():
            yield up_with_sites(home, sites, emulator)
    finally:
        down(home, report)
        os.environ.clear()
        os.environ.update(before)


def report(text: str) -> None:
    """A line of progress on standard error."""
    print(f"  {text}", file=sys.stderr, flush=True)
