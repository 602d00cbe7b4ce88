"""The sites that the context of cdk.json names: what `cdk deploy` is about to deploy, or has deployed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitewright.contracts.site_config import SiteConfig, SiteConfigError, parse_region, parse_sites
from sitewright.local.errors import LocalError


class NoSites(LocalError):
    """cdk.json is missing or wrong."""


@dataclass(frozen=True)
class Sites:
    """The context of cdk.json, as far as checks need it."""

    sites: list[SiteConfig]
    region: str


def read_sites(file: Path) -> Sites:
    """Reads cdk.json. A value given to `cdk` by `-c` is not seen. Raises NoSites."""
    try:
        context: Any = json.loads(file.read_text(encoding="utf-8")).get("context", {})
    except OSError as error:
        raise NoSites(
            f"{file} cannot be read: {error.strerror}.", "Run this in the folder of cdk.json, or name it with --app."
        ) from error
    except (ValueError, AttributeError) as error:
        raise NoSites(f"{file} is no JSON object: {error}.", "Correct it.") from error
    if not isinstance(context, dict):
        raise NoSites(f"`context` of {file} is no JSON object.", "Correct it.")
    try:
        return Sites(
            parse_sites(context.get("sites"), context.get("siteDefaults")), parse_region(context.get("region"))
        )
    except SiteConfigError as error:
        raise NoSites(str(error), "`cdk synth` refuses it too.") from error
