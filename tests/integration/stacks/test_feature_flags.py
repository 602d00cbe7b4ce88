"""CDK's feature flags in cdk.json: those that the installed version recommends."""

import importlib.metadata
import json
import tarfile
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[3]

OWN = {"@aws-cdk/core:defaultCrossStackReferences"}
"""Flags that this app sets otherwise: an export keeps the platform from losing what a site still uses."""


def _recommended() -> dict[str, Any]:
    """Returns the flags that `cdk init` of the installed version would set."""
    [bundle] = [f for f in importlib.metadata.files("aws-cdk-lib") or [] if f.name.endswith(".jsii.tgz")]
    with tarfile.open(str(bundle.locate()), "r|gz") as archive:
        for member in archive:
            if member.name == "package/recommended-feature-flags.json" and (content := archive.extractfile(member)):
                return dict(json.load(content))
    raise AssertionError("aws-cdk-lib has no list of flags")


def test_every_recommended_flag_is_set() -> None:
    context = json.loads((REPO / "cdk.json").read_text())["context"]
    flags = {name: value for name, value in context.items() if name.startswith("@")}
    recommended = _recommended()
    assert flags.keys() == recommended.keys()
    assert {name for name in flags if flags[name] != recommended[name]} == OWN
