"""`make cost`: counts a local run and writes docs/cost.md."""

import os
import signal
import sys
import time

from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import REPOSITORY_ROOT
from sitewright.local.stack.stack_control import home_of
from tools.cost import prices
from tools.cost.bill import POLLERS, POLLS_A_MINUTE, TaskSize
from tools.cost.billed_calls import TOKEN_BYTES
from tools.cost.cost_page import page, tables, total
from tools.cost.cost_run import measure

DOCUMENT = REPOSITORY_ROOT / "docs" / "cost.md"


def main() -> int:
    """The command line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated run stops the stack it started
    listed, task = prices.load(), TaskSize()
    try:
        counts = measure(home_of())
    except LocalError as error:
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the stacks it started are stopped.", file=sys.stderr)
        return 130
    at = time.strftime("%Y-%m-%d", time.gmtime())
    polls = POLLERS * POLLS_A_MINUTE
    machine = (os.cpu_count() or 1, os.getloadavg()[0])
    text = page(counts, listed, task, at=at, machine=machine, token=TOKEN_BYTES, polls=polls)
    DOCUMENT.write_text(text, encoding="utf-8")
    for title, rows in tables(counts, listed, task).items():
        print(f"{title}: ${total(rows):.4f}")
    print(f"Written to {DOCUMENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
