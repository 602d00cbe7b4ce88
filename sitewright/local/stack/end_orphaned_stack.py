"""`python -m sitewright.local.stack.end_orphaned_stack --home FOLDER`: stops a stack whose owner is gone."""

import argparse
from pathlib import Path

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.stack_control import end_stack


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sitewright.local.stack.end_orphaned_stack")
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    stopped = end_stack(Home(options.home), lambda text: print(text, flush=True))
    print(f"stopped {stopped} processes", flush=True)


if __name__ == "__main__":
    main()
