"""The sites of the end-to-end tests, and their repositories."""

import json
import subprocess
from pathlib import Path

from sitewright.local.machine.stack_home import Home
from sitewright.local.stack import stack_state
from sitewright.local.stack.site_repositories import ensure_repository

PLAIN = "plain"
"""A site without Astro, from a user's own repository."""

OTHER = "other"
"""A second client's site, of the small kind."""

ASTRO = "astro"
"""The demo site. Only one test needs it: its packages and its builds take ten times the small site's time."""

_BUILD = """\
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");
if (existsSync("slow")) await new Promise((done) => setTimeout(done, 8000));
if (existsSync("public")) cpSync("public", "dist", { recursive: true });
for (const name of readdirSync("src/pages")) {
  const page = readFileSync(`src/pages/${name}`, "utf8").replace(/^---\\n[^]*?---\\n/, "");
  if (/{[^}]*$/.test(page)) throw new Error(`src/pages/${name}: an expression is not closed`);
  writeFileSync(`dist/${name.replace(".astro", ".html")}`, page);
}
"""
_PAGE = """\
---
---
<!doctype html>
<html lang="en">
<head><title>Small</title></head>
<body>
  <main>
    <h1>Small</h1>
  </main>
</body>
</html>
"""


def _package(name: str, build: str) -> str:
    return json.dumps({"name": name, "private": True, "scripts": {"build": build}}) + "\n"


def commit(folder: Path, branch: str, files: dict[str, str]) -> Path:
    """Creates a repository with one commit: these files, and others that the folder has."""
    if (folder / ".git").exists():  # left by a failed `up`
        return folder
    for name, text in {".gitignore": "dist\nnode_modules\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for argv in (
        ["init", "-q", "-b", branch],
        ["add", "-A"],
        ["-c", "user.name=Owner", "-c", "user.email=owner@example.com", "commit", "-qm", "First pages"],
    ):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    return folder


def plain_repository(folder: Path) -> Path:
    """Creates a repository with the default branch `master` and no lock file. Its build copies the pages to `dist/`."""
    page = "<!doctype html><title>Plain</title><h1>Plain</h1></html>\n"
    package = _package("plain", "rm -rf dist && cp -r pages dist")
    return commit(folder, "master", {"pages/index.html": page, "package.json": package})


def small_repository(folder: Path) -> Path:
    """Creates a site that builds in 0.1 s without packages, and the demo model can edit its pages like Astro's.

    As in Astro, an expression that is not closed breaks the build. A file `slow` makes it take 8 s.
    """
    return commit(folder, "main", {**small_files(), "package.json": _package("small", "node build.mjs")})


def small_files() -> dict[str, str]:
    """The files of the small site, but for its package.json. `node build.mjs` builds it."""
    pages = {f"src/pages/{name}.astro": _PAGE for name in ("index", "about")}
    return {"build.mjs": _BUILD, "public/robots.txt": "User-agent: *\n", **pages}


def announce_sites(home: Home, workers: int, only_worker: str) -> None:
    """Registers the sites for the first `up`: a small site for each worker, OTHER, and the demo site."""
    names = [f"gw{number}" for number in range(workers)] if only_worker.startswith("gw") else [only_worker]
    home.create()
    source = small_repository(home.root / "small site")
    small = [OTHER, *(f"site-{name}" for name in names)]
    for client in small:
        ensure_repository(home.git / f"{client}.git", str(source))
    state = stack_state.read(home)
    stack_state.save(home, {**state, "sites": [*small, ASTRO]})
