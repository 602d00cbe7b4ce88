"""A site that builds in 0.1 s without packages: for measurements of the service, not of npm and Astro."""

import json
import subprocess
from pathlib import Path

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


def package(name: str, build: str) -> str:
    """Returns a package.json whose script `build` is this command."""
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


def small_repository(folder: Path) -> Path:
    """Creates a site that builds in 0.1 s without packages, and the demo model can edit its pages like Astro's.

    As in Astro, an expression that is not closed breaks the build. A file `slow` makes it take 8 s.
    It has one package, in a folder of its own, and a lock file: a workspace runs `npm ci` once, not before each build.
    """
    parts = {"name": "parts", "version": "1.0.0"}
    linked = {"parts": "file:parts"}
    manifest = {"name": "small", "private": True, "scripts": {"build": "node build.mjs"}, "dependencies": linked}
    packages = {
        "": {"name": "small", "dependencies": linked},
        "node_modules/parts": {"resolved": "parts", "link": True},
        "parts": {"version": "1.0.0"},
    }
    lock = {"name": "small", "lockfileVersion": 3, "requires": True, "packages": packages}
    written = {"package.json": manifest, "package-lock.json": lock, "parts/package.json": parts}
    return commit(folder, "main", small_files() | {name: json.dumps(text) + "\n" for name, text in written.items()})


def small_files() -> dict[str, str]:
    """The files of the small site, but for its package.json. `node build.mjs` builds it."""
    pages = {f"src/pages/{name}.astro": _PAGE for name in ("index", "about")}
    return {"build.mjs": _BUILD, "public/robots.txt": "User-agent: *\n", **pages}
