"""`python -m sitewright.local.git_host --root FOLDER --token-file FILE --port N`."""

import argparse
from pathlib import Path

from sitewright.local.git_host.git_server import GitServer


def main() -> None:
    """Serves until the process is ended."""
    parser = argparse.ArgumentParser(prog="sitewright.local.git_host")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    GitServer(options.port, options.root, options.token_file.read_text().strip()).serve_forever()


if __name__ == "__main__":
    main()
