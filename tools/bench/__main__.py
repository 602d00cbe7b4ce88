"""`make bench`: overhead of the service, container starts, interrupt latency, and publish speed beside other tools.

Run it on a quiet machine.
"""

import argparse
import json
import os
import signal
import sys
import time
from typing import Any

from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import write_private
from sitewright.local.stack.stack_control import home_of
from tools.bench import container_starts, interrupt_latency, overhead
from tools.bench.publish_speed import measure_publishes, report_tables

Json = dict[str, Any]
SECTIONS = ("added", "starts", "interrupts", "publishing")
SIZES = {2001: 3, 20001: 1}
"""Files of the published site, and rounds if `--rounds` does not say."""


def main() -> int:
    """The command line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated run stops the stack it started
    parser = argparse.ArgumentParser(prog="tools.bench", description=__doc__)
    parser.add_argument("--only", choices=SECTIONS, action="append", help="these sections; all if left out")
    parser.add_argument("--count", type=int, default=7, help="added: commands each way and measurement")
    parser.add_argument(
        "--rounds", type=int, help="starts: sessions of each site (3); publishing: repetitions (3, 1 for large sites)"
    )
    parser.add_argument("--start-delay", type=float, default=5.0, help="starts: seconds, standing for Fargate's start")
    parser.add_argument("--interrupts", type=int, default=30, help="interrupts: how many")
    parser.add_argument("--files", type=int, action="append", help="publishing: sizes of the site; 2001 and 20001")
    parser.add_argument(
        "--endpoint-ms", type=int, default=0, help="publishing: so much later S3 answers, as on a network"
    )
    options = parser.parse_args()
    home, wanted = home_of(), options.only or SECTIONS
    result: Json = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    try:
        if "added" in wanted:
            result["added"] = overhead.run(home, options.count)
            overhead.show(result["added"])
        if "starts" in wanted:
            result["starts"] = container_starts.run(home, options.rounds or 3, options.start_delay)
            container_starts.show(result["starts"])
        if "interrupts" in wanted:
            result["interrupts"] = interrupt_latency.run(home, options.interrupts)
            interrupt_latency.show(result["interrupts"])
        if "publishing" in wanted:
            sizes = {files: options.rounds or SIZES.get(files, 1) for files in options.files or SIZES}
            result["publishing"] = measure_publishes.run(home, sizes, options.endpoint_ms)
            report_tables.show(result["publishing"])
    except LocalError as error:
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the stacks it started are stopped.", file=sys.stderr)
        return 130
    home.create()
    write_private(home.root / "bench.json", json.dumps(result, indent=2) + "\n")
    print(f"Written to {home.root / 'bench.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
