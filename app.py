"""The CDK app: reads the sites of the context and composes the stacks."""

import json
import sys
from typing import Any

import aws_cdk as cdk

from sitewright.contracts.site_config import SiteConfig, SiteConfigError, parse_region, parse_sites
from stacks.platform.egress import Egress
from stacks.platform.image.image_build import ImageSource
from stacks.platform.observability.alarms import dollars_a_day, mail_address
from stacks.platform_stack import PlatformStack
from stacks.sites import add_sites


def sites_of(app: cdk.App) -> list[SiteConfig]:
    """Reads the contexts `sites` and `siteDefaults`. Raises SiteConfigError."""
    return parse_sites(_context(app, "sites"), _context(app, "siteDefaults"))


def _context(app: cdk.App, name: str) -> Any:
    """Returns a context's value: text from `-c name=…` is JSON, cdk.json has the value itself."""
    raw = app.node.try_get_context(name)
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        raise SiteConfigError(f"{name}: is no JSON ({error}). Correct the context `{name}`.") from error


def main() -> None:
    """Synthesizes one platform stack, and for each site a stack and its certificate where one is made."""
    app = cdk.App()
    try:
        _add_stacks(app)
    except SiteConfigError as error:
        sys.exit(str(error))
    app.synth()


def _add_stacks(app: cdk.App) -> None:
    region = parse_region(app.node.try_get_context("region"))
    sites = sites_of(app)
    egress = Egress.of(sites, region, _context(app, "egressAllowList"))
    image = ImageSource.of(app.node.try_get_context("workspaceImage"), app.node.try_get_context("imageBuilder"))
    # No account: with one, CDK would look up availability zones over the network at synth.
    env = cdk.Environment(region=region)
    platform = PlatformStack(
        app,
        "Sitewright-Platform",
        alarm_email=mail_address(app.node.try_get_context("alarmEmail")),
        alarm_daily_usd=dollars_a_day(_context(app, "alarmDailyUsd")),
        egress=egress,
        image=image,
        env=env,
    )
    add_sites(app, platform, sites, region)


main()
