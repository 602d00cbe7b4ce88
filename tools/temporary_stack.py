"""A stack of the benchmark's own, with settings of its own; gone afterwards."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.service_startup import EMULATOR, EmulatorProgram
from sitewright.local.stack.stack_control import StackOptions, down, up

Json = dict[str, Any]
_MODEL = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
"""A real model takes another time at every run."""


def temporary_home(home: Home, name: str) -> Home:
    """A home beside the user's, whose stack may run on meanwhile."""
    return Home(home.root / "own" / name)


@contextlib.contextmanager
def temporary_stack(
    home: Home, sites: Sequence[str], settings: Mapping[str, str], emulator: EmulatorProgram = EMULATOR
) -> Iterator[Json]:
    """`stack.json` of a stack with these sites, started with these environment variables. Raises LocalError."""
    before = dict(os.environ)
    try:
        for name in _MODEL:
            os.environ.pop(name, None)
        os.environ.update(settings)
        down(home, _say)  # one that was left behind has other settings
        info: Json = {}
        for site in sites:
            info = up(home, StackOptions(site, runtime="process", emulator=emulator), _say)
        yield info
    finally:
        down(home, _say)
        os.environ.clear()
        os.environ.update(before)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
