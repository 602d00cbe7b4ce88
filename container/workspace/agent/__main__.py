"""Entry point of the driver."""

import os
import sys

from workspace.agent.skipped_packages import skip_packages

skip_packages()

from workspace.agent.driver import main  # noqa: E402 - the SDK's import comes after the line above

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Skips the interpreter's shutdown, which takes 0.15 s with the SDK loaded. The runner ends the rest of the
    # process group.
    os._exit(code)
