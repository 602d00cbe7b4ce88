"""The functions run the packages that the tests run: the archive of the layer, and its list."""

import re
import sys
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

from sitewright.contracts.function_packages import ARCHIVE, REQUIREMENTS

REPO = Path(__file__).parents[3]
PINS = dict(
    line.split("==") for line in (REPO / REQUIREMENTS).read_text().splitlines() if line and not line.startswith("#")
)
OF_THE_RUNTIME = {"boto3", "botocore"}


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0].lower().replace("_", "-")


def test_the_tests_run_the_pinned_versions() -> None:
    assert {name: version(name) for name in PINS} == PINS


def test_the_layer_contains_the_pinned_versions_and_nothing_else() -> None:
    with zipfile.ZipFile(Path(sys.prefix) / ARCHIVE) as layer:
        folders = {name.split("/")[4] for name in layer.namelist() if ".dist-info/" in name}
    found = dict(folder.removesuffix(".dist-info").rsplit("-", 1) for folder in folders)
    assert {name.replace("_", "-"): of for name, of in found.items()} == PINS


def test_the_list_is_complete() -> None:
    needed = {
        name_of(requirement)
        for name in PINS
        for requirement in distribution(name).requires or []
        if "extra ==" not in requirement and "python_version" not in requirement
    }
    assert needed - OF_THE_RUNTIME <= set(PINS)
