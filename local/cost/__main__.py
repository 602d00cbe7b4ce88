"""`make cost`: counts a local run and writes docs/cost.md."""

import os
import signal
import sys
import time

from local.cost import prices
from local.cost.bill import POLLERS, POLLS_A_MINUTE, Task
from local.cost.calls import TOKEN_BYTES
from local.cost.measure import measure
from local.cost.page import page, tables, total
from local.errors import LocalError
from local.home import REPOSITORY_ROOT
from local.stack import home_of

DOCUMENT = REPOSITORY_ROOT / "docs" / "cost.md"


def main() -> int:
    """The command line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated run stops the stack it started
    listed, task = prices.load(), Task()
    try:
        counts = measure(home_of())
    except LocalError as error:
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        return 1
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
