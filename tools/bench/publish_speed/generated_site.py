"""A large site, really built: the demo site with a journal of thousands of posts."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sitewright.local.errors import LocalError
from sitewright.local.machine.service_environment import network_environment, tool_path
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home

_DEMO = REPOSITORY_ROOT / "sitewright" / "local" / "demo_site"
_PARAGRAPHS, _WORDS = 6, 60
_SEED = 1
_FORMAT = "1"
"""To be raised when the posts change: built sites are kept."""


@dataclass(frozen=True)
class Built:
    """A folder with a site, and how long its build took (now or when it was built)."""

    dist: Path
    seconds: float


def built(home: Home, files: int) -> Built:
    """A site of that many files. Raises LocalError."""
    work = home.root / f"bench-site-{files}"
    done, stamp = work / ".done", f"{_FORMAT} {_digest()}"
    if not done.is_file() or done.read_text().rpartition(" ")[0] != stamp:
        print(f"  building a site of {files} files", file=sys.stderr, flush=True)
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(_DEMO, work, ignore=shutil.ignore_patterns("node_modules", "dist", ".astro"))
        _write_posts(work / "src" / "content" / "journal", files)
        _npm(["ci", "--no-audit", "--no-fund"], work)
        began = time.monotonic()
        _npm(["run", "build"], work)
        seconds = time.monotonic() - began
        shutil.rmtree(work / "node_modules")
        _trim(work / "dist", files)
        done.write_text(f"{stamp} {seconds:.1f}")
    return Built(work / "dist", float(done.read_text().rpartition(" ")[2]))


def _digest() -> str:
    names = sorted(path for path in _DEMO.rglob("*") if path.is_file() and "node_modules" not in path.parts)
    return hashlib.sha256(b"".join(path.read_bytes() for path in names)).hexdigest()


def posts(first: int, count: int, words: list[str]) -> Iterator[tuple[str, str]]:
    """Names and texts of posts, the same every time."""
    choice = random.Random(_SEED)  # noqa: S311 - text, nothing secret
    for number in range(first, first + count):
        text = "\n\n".join(" ".join(choice.choices(words, k=_WORDS)) for _ in range(_PARAGRAPHS))
        head = f'title: "Post {number}"\ndate: 2025-01-{1 + number % 28:02d}\nsummary: "Number {number}"'
        yield f"post-{number}.md", f"---\n{head}\n---\n\n{text}\n"


def _write_posts(folder: Path, files: int) -> None:
    there = sorted(folder.glob("*.md"))
    words = [word for word in there[0].read_text().rpartition("---")[2].split() if word.isalpha()]
    for name, text in posts(1, files, words):
        if not (folder / name).exists():
            (folder / name).write_text(text)


def _trim(dist: Path, files: int) -> None:
    """Takes away the last posts: how many files come from elsewhere is known after the build."""
    surplus = sum(path.is_file() for path in dist.rglob("*")) - files
    found = sorted(dist.glob("journal/post-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    if not 0 <= surplus < len(found):
        raise LocalError(f"The demo site cannot be made {files} files large.", "Name another number.")
    for folder in found[len(found) - surplus :]:
        shutil.rmtree(folder)


def _npm(arguments: list[str], cwd: Path) -> None:
    env = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    env |= network_environment(os.environ)
    env |= {
        "PATH": os.pathsep.join([*tool_path(), os.environ.get("PATH", os.defpath)]),
        "ASTRO_TELEMETRY_DISABLED": "1",
    }
    done = subprocess.run(
        ["npm", *arguments], cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise LocalError(f"`npm {arguments[0]}` of the site ended with {said[-1:]}.", f"Run it in {cwd}.")
