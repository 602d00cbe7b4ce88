"""`python -m sitewright.local.emulator`."""

from sitewright.local.emulator.program import main

if __name__ == "__main__":
    main()
