"""Entry point of the driver."""

import os
import sys

from workspace.agent.driver import main

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without taking the interpreter apart: with the SDK loaded that lasts 0.15 s, and the client waits for it. What the
    # driver started is in its process group, which the runner ends.
    os._exit(code)
