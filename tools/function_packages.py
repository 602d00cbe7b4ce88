"""Puts the functions' packages for Lambda's Python and processor into one archive, the content of a Lambda layer.

`make setup` runs it, so that `cdk synth` needs neither network nor Docker. The archive has the same bytes on every machine:
otherwise each machine would deploy a layer of its own.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sitewright.contracts.function_packages import ARCHIVE, PLATFORM, PYTHON, REQUIREMENTS, SITE_PACKAGES

REPOSITORY = Path(__file__).parents[1]
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest date that a zip file can hold."""


def download(requirements: Path, folder: Path) -> None:
    """Downloads the wheels of all requirements, and nothing that they depend on. Raises CalledProcessError."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    target = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}", f"--platform={PLATFORM}"]
    subprocess.run([*pip, *target, "--requirement", str(requirements), "--dest", str(folder)], check=True)


def archive(wheels: list[Path], requirements: str, target: Path) -> None:
    """Writes the content of the wheels and the list of requirements into a zip file, in an order of its own."""
    files: dict[str, bytes] = {REQUIREMENTS: requirements.encode()}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as content:
            files |= {f"{SITE_PACKAGES}/{name}": content.read(name) for name in content.namelist() if _needed(name)}
    unfinished = target.with_suffix(".new")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as layer:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            layer.writestr(entry, data)
    unfinished.replace(target)


def _needed(name: str) -> bool:
    # A wheel's `.data` has scripts: nobody calls them in a function.
    return not name.endswith("/") and not name.split("/", maxsplit=1)[0].endswith(".data")


def main() -> None:
    """Downloads the wheels and writes the archive into the virtual environment."""
    requirements = REPOSITORY / REQUIREMENTS
    with tempfile.TemporaryDirectory() as folder:
        download(requirements, Path(folder))
        archive(sorted(Path(folder).iterdir()), requirements.read_text(), Path(sys.prefix) / ARCHIVE)


if __name__ == "__main__":
    main()
