"""Reads package.json of a site."""

import json
from pathlib import Path
from typing import Any

from sitewright.contracts.limits import PACKAGE_FILE_BYTES
from workspace.build.failure_cause import BuildPart
from workspace.build.install_inputs import PACKAGE
from workspace.build.running.build_failed import BuildFailed
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, Refusal, below


def read_package(site: Path, folder: str = "") -> dict[str, Any]:
    """Returns the parsed package.json of a folder of the checkout.

    Raises BuildFailed if it is missing, unreadable or without a build script.
    """
    package = parse_package(site, folder)
    scripts = package.get("scripts")
    if not isinstance(scripts, dict) or not isinstance(scripts.get("build"), str):
        raise BuildFailed(f"{below(folder, PACKAGE)} has no script `build`.", BuildPart.PACKAGE)
    return package


def parse_package(site: Path, folder: str) -> dict[str, Any]:
    """Returns the parsed package.json of a folder. Raises BuildFailed."""
    name = below(folder, PACKAGE)
    try:
        package = json.loads(guest_files.read_file(site, name, limit=PACKAGE_FILE_BYTES))
    except GuestFileError as error:
        missing = error.reason is Refusal.MISSING
        where = f"folder {folder} (`directory` of the site)" if folder else "root folder"
        raise BuildFailed(
            f"The repository has no package.json in its {where}." if missing else f"{name}: {error}", BuildPart.PACKAGE
        ) from error
    except (ValueError, RecursionError) as error:
        raise BuildFailed(f"{name} is no JSON: {error}", BuildPart.PACKAGE) from error
    return dict(package) if isinstance(package, dict) else {}
