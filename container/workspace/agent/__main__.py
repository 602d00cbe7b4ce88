"""Entry point of the driver."""

import os
import sys

from workspace.agent.driver import main

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Skips the interpreter's shutdown, which takes 0.15 s with the SDK loaded. The runner ends the rest of the
    # process group.
    os._exit(code)
