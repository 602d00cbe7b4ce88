"""`python -m sitewright.local.stack.watch_owner`: stops a stack when the process that owns it is gone.

It waits as long as the stack runs. So it imports little, and becomes the program that stops the stack.
"""

import argparse
import os
import sys
from pathlib import Path

from sitewright.local.machine.service_processes import ProcessRecord
from sitewright.local.stack.stack_owner import wait_until_gone


def main() -> None:
    """Waits for the end of the owner, then stops the stack."""
    parser = argparse.ArgumentParser(prog="sitewright.local.stack.watch_owner")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--started", required=True)
    options = parser.parse_args()
    wait_until_gone(ProcessRecord(options.pid, options.started))
    print(f"the owner, process {options.pid}, is gone", flush=True)
    # The same process: its record stays true, and nothing that ends the stack takes it for another.
    argv = [sys.executable, "-m", "sitewright.local.stack.end_orphaned_stack", "--home", str(options.home)]
    os.execv(sys.executable, argv)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
