"""One digest of all sources of the deployed stacks: `up` deploys again only when it changes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

PARTS = (
    "app.py",
    "cdk.json",
    "sitewright/contracts",
    "sitewright/tables",
    "sitewright/publishing",
    "sitewright/retry.py",
    "stacks",
    "lambdas",
    "requirements.txt",
    "sitewright/local/stack/cdk_deploy.py",
    "tools/cdk/package-lock.json",
)


def digest(root: Path, parts: Sequence[str] = PARTS, *, seed: str = "") -> str:
    """A digest of the names and contents of all files below `parts`, and of the seed."""
    total = hashlib.sha256(seed.encode())
    for part in parts:
        top = root / part
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                total.update(f"{file.relative_to(root)}\0{content}\n".encode())
    return total.hexdigest()
