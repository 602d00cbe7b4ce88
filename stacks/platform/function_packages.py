"""The Lambda layer with the functions' packages, in the versions that the tests run."""

import sys
import zipfile
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_

from sitewright.contracts.function_packages import ARCHIVE, REQUIREMENTS
from sitewright.contracts.site_config import SiteConfigError

REPOSITORY = Path(__file__).parents[2]
_ID = "FunctionPackages"


def packages_layer(stack: Stack) -> lambda_.ILayerVersion:
    """Returns the stack's layer; the same for all of its functions. Raises SiteConfigError."""
    made = stack.node.try_find_child(_ID)
    if isinstance(made, lambda_.LayerVersion):
        return made
    return lambda_.LayerVersion(
        stack,
        _ID,
        code=lambda_.Code.from_asset(str(_checked(Path(sys.prefix) / ARCHIVE))),
        description=f"The packages of {REQUIREMENTS}",
        compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
        compatible_architectures=[lambda_.Architecture.ARM_64],
    )


def _checked(archive: Path) -> Path:
    """Returns the archive if it was made from the list of this checkout."""
    wanted = (REPOSITORY / REQUIREMENTS).read_text()
    if not archive.exists():
        found = "is missing"
    elif _requirements(archive) != wanted:
        found = f"was not made from {REQUIREMENTS} as it is"
    else:
        return archive
    raise SiteConfigError(
        f"{archive}: the archive of the functions' packages {found}. Run `make setup` and "
        "`source .venv/bin/activate`, or `python -m tools.function_packages` in an environment of your own."
    )


def _requirements(archive: Path) -> str:
    with zipfile.ZipFile(archive) as content:
        return content.read(REQUIREMENTS).decode()
