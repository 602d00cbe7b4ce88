"""`python -m sitewright.local.stack.watch_owner`: stops a stack when the process that owns it is gone."""

import argparse
from pathlib import Path

from sitewright.local.machine.service_processes import ProcessRecord
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.stack_control import end_stack
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
    stopped = end_stack(Home(options.home), lambda text: print(text, flush=True))
    print(f"stopped {stopped} processes", flush=True)


if __name__ == "__main__":
    main()
