"""Entry point of the driver."""

import sys

from workspace.claude.driver import main

if __name__ == "__main__":
    sys.exit(main())
