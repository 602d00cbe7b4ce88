"""Remembers for which sources `make test-image` last passed, so that CI runs it once per change of them.

`python -m tools.image.seen` prints the digest of the present sources. `--record DIGEST` writes it down, `--check` exits
with 0 if it is written down already.
"""

import argparse
import sys
from pathlib import Path

from sitewright.local.machine.source_digest import digest

ROOT = Path(__file__).parents[2]
PARTS = (".dockerignore", "container", "tests/image", "tests/support/image", "tools/image")
"""What decides the tests in containers: the image's own sources, the attacks, and how an engine is made."""

RECORD = Path(".ci/image-seen")
"""In the repository, and outside of PARTS."""


def present(root: Path) -> str:
    """Returns the digest of the present sources."""
    return digest(root, PARTS)


def seen(root: Path) -> bool:
    """Returns whether the tests have passed for the present sources."""
    record = root / RECORD
    return record.is_file() and record.read_text().strip() == present(root)


def record(root: Path, passed: str) -> None:
    """Writes down for which digest the tests have passed."""
    (root / RECORD).write_text(f"{passed}\n")


def main(argv: list[str], root: Path = ROOT) -> int:
    """Runs the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools.image.seen")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", metavar="DIGEST")
    wanted = parser.parse_args(argv)
    if wanted.check:
        return 0 if seen(root) else 1
    if wanted.record:
        record(root, wanted.record)
        print(f"make test-image has passed: commit {RECORD}, so that CI need not repeat it")
        return 0
    print(present(root))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
