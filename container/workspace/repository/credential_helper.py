"""The credential helper of git. Passes the token from an inherited socket to git, for the token's own host only.

Git runs it as a program (`python -IS credential_helper.py FD PROTOCOL HOST get`). The token is in no argument, no
environment and no file. Unlike a pipe, a socket cannot be opened again through /proc/<pid>/fd.
"""

import os
import sys

USERNAME = "x-access-token"
"""GitHub's user name for tokens. GitLab, Gitea and Bitbucket's repository tokens accept any name."""


def main(argv: list[str], asked: str) -> int:
    """Answers `get` for the expected protocol and host. Ignores `store` and `erase`."""
    fd, protocol, host, operation = int(argv[1]), argv[2], argv[3], argv[4]
    fields = dict(line.split("=", 1) for line in asked.splitlines() if "=" in line)
    if operation != "get" or fields.get("protocol") != protocol or fields.get("host") != host:
        return 0
    token = b""
    while chunk := os.read(fd, 4096):
        token += chunk
    sys.stdout.write(f"username={USERNAME}\npassword={token.decode()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv, sys.stdin.read()))
