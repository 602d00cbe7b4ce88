"""A program `npm` for tests of what comes before and after npm. Real npm takes 0.3 to 0.8 s of a core a call.

It installs the packages of a lock file or, without one, folders of the site (`file:./x`), with their scripts and programs. It
runs scripts. tests/integration/workspace/build/test_npm_doubles.py compares it with real npm.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

Package = dict[str, Any]
SCRIPTS = ("preinstall", "install", "postinstall")
MODULES = Path("node_modules")


def main(command: str, *arguments: str) -> None:
    """Does `ci`, `install` or `run NAME`. Ignores options."""
    names = [argument for argument in arguments if not argument.startswith("--")]
    try:
        package = json.loads(Path("package.json").read_text())
        {"ci": install, "install": install, "run": run}[command](package, *names)
    except (OSError, ValueError) as error:
        sys.exit(f"npm error {error}")


def run(package: Package, name: str) -> None:
    """Becomes the script."""
    script = package["scripts"][name]
    print(f"\n> {package.get('name')}@{package.get('version')} {name}\n> {script}\n", flush=True)
    os.environ["PATH"] = f"{Path.cwd() / MODULES / '.bin'}:{os.environ['PATH']}"
    os.execvp("sh", ["sh", "-c", script])


def install(package: Package) -> None:
    """Makes node_modules anew, and runs the packages' scripts."""
    shutil.rmtree(MODULES, ignore_errors=True)
    (MODULES / ".bin").mkdir(parents=True)
    wanted = _locked() if Path("package-lock.json").exists() else _folders(package)
    for name, entry in wanted.items():
        place = MODULES / name
        if entry.get("link"):
            place.symlink_to(Path("..", entry["resolved"]))
        else:
            _unpack(entry["resolved"], place)
        _finish(name, place)
    print(f"\nadded {len(wanted)} packages in 1s")


def _locked() -> dict[str, Package]:
    packages = json.loads(Path("package-lock.json").read_text())["packages"]
    return {Path(place).name: entry for place, entry in packages.items() if Path(place).parent == MODULES}


def _folders(package: Package) -> dict[str, Package]:
    wanted = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
    return {name: {"link": True, "resolved": version.removeprefix("file:")} for name, version in wanted.items()}


def _unpack(url: str, place: Path) -> None:
    import tarfile  # a folder that is linked takes neither
    import urllib.request

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url) as answer, tarfile.open(fileobj=answer, mode="r|gz") as tar:
        for member in tar:
            member.name = member.name.removeprefix("package/")
            tar.extract(member, place, filter="data")


def _finish(name: str, place: Path) -> None:
    package = json.loads((place / "package.json").read_text())
    for program, path in package.get("bin", {}).items():
        (MODULES / ".bin" / program).symlink_to(f"../{name}/{path}")
        (place / path).chmod(0o755)
    for script in SCRIPTS:
        command = package.get("scripts", {}).get(script)
        if command and os.spawnvp(os.P_WAIT, "sh", ["sh", "-c", f"cd {place} && {command}"]):
            sys.exit(f"npm error {name}: {script} failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
