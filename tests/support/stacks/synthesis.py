"""Synthesizes the stacks for tests. Importing this module starts jsii's Node process, so only fixtures import it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.aws_ecr_assets import DockerImageAsset

from sitewright.contracts.site_config import parse_sites
from stacks import sites
from stacks.platform import lambda_function
from stacks.platform.egress import Egress
from stacks.platform.image import workspace_image
from stacks.platform.image.image_build import ImageBuilder, ImageSource
from stacks.platform.image.task_start_role import task_start_role
from stacks.platform.lambda_function import LambdaFunction
from stacks.platform_stack import PlatformStack
from stacks.site.workspace_task import WorkspaceTask
from stacks.sites import add_sites
from tests.support.stacks.nag import cdk_nag_findings
from tests.support.stacks.preflight import refuse_what_cloudformation_refuses
from tests.support.stacks.synthesized_templates import PLATFORM, REGION, SITES, Template

REPOSITORY = Path(__file__).parents[3]
NAG = "cdk-nag.json"
"""The file with the findings of cdk-nag that no construct accepts."""


def feature_flags() -> dict[str, Any]:
    """Returns CDK's feature flags as cdk.json sets them: an app in a test reads no cdk.json."""
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    return {name: value for name, value in context.items() if name.startswith("@aws-cdk")}


def _synthesize(outdir: Path, add: Callable[[cdk.App], None], **context: Any) -> dict[str, Template]:
    """Returns the templates of the stacks that `add` puts into an app, by the stack's name."""
    return _templates(_app(outdir, add, context))


def _app(outdir: Path, add: Callable[[cdk.App], None], context: dict[str, Any]) -> cdk.App:
    app = cdk.App(outdir=str(outdir), context={**feature_flags(), **context})
    add(app)
    return app


def _templates(app: cdk.App) -> dict[str, Template]:
    return {stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in app.synth().stacks}


def all_sites(outdir: Path) -> dict[str, Template]:
    """Returns the templates of the platform and SITES, composed as in app.py. Leaves NAG in the folder."""

    def add(app: cdk.App) -> None:
        platform = PlatformStack(app, PLATFORM, env=cdk.Environment(region=REGION))
        add_sites(app, platform, parse_sites(SITES), REGION)

    app = _app(outdir, add, {})
    templates = _templates(app)
    (outdir / NAG).write_text(json.dumps(cdk_nag_findings(app, outdir)))
    return templates


def preflight(outdir: Path, add: Callable[[cdk.App], None]) -> None:
    """Synthesizes an app under cdk-preflight. Raises its findings."""
    app = _app(outdir, add, {})
    refuse_what_cloudformation_refuses(app)
    app.synth()


def add_platform(app: cdk.App, clients: list[str]) -> None:
    """Adds the platform and these sites of SITES to an app."""
    platform = PlatformStack(app, PLATFORM, env=cdk.Environment(region=REGION))
    add_sites(app, platform, parse_sites([site for site in SITES if site["clientId"] in clients]), REGION)


def nagged(outdir: Path, add: Callable[[cdk.App], None]) -> list[str]:
    """Returns what cdk-nag finds in an app and no construct accepts."""
    app = _app(outdir, add, {})
    app.synth()
    return cdk_nag_findings(app, outdir)


def https_sites(outdir: Path, number: int, sites_of_a_cdn: int, zone: dict[str, str]) -> dict[str, Template]:
    """Returns the templates of so many sites with https, of which `sites_of_a_cdn` share what distributions share."""
    entry = {"repository": "https://github.com/example/site.git", "https": True, "hostedZone": zone}

    def add(app: cdk.App) -> None:
        platform = PlatformStack(app, PLATFORM, env=cdk.Environment(region=REGION))
        add_sites(app, platform, parse_sites([{"clientId": f"client-{n}", **entry} for n in range(number)]), REGION)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sites, "SITES_OF_A_CDN_STACK", sites_of_a_cdn)
        return _synthesize(outdir, add)


def workspaces(outdir: Path, images: list[str]) -> list[Template]:
    """Returns a template for each image, of a stack with only a workspace and the role that starts it."""

    def add(app: cdk.App) -> None:
        for number, image in enumerate(images):
            stack = cdk.Stack(app, f"Stack{number}", env=cdk.Environment(region=REGION))
            task_start_role(stack, image)
            _workspace(stack, image)

    return list(_synthesize(outdir, add).values())


def _workspace(stack: cdk.Stack, image: str | DockerImageAsset) -> None:
    WorkspaceTask(stack, "Workspace", client_id="amelia", cpu=256, memory_mib=512, environment={}, image=image)


def assets_of_checkout(outdir: Path, checkout: Path) -> dict[str, Template]:
    """Returns the templates of a workspace and a function, with assets from this checkout."""

    def add(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Stack", env=cdk.Environment(region=REGION))
        _workspace(stack, workspace_image.image_of_docker(stack))
        LambdaFunction(stack, "Intake", module="intake", timeout=cdk.Duration.seconds(1), environment={})

    with pytest.MonkeyPatch.context() as patch:
        for module in (lambda_function, workspace_image):
            patch.setattr(module, "REPOSITORY", checkout)
        return _synthesize(outdir, add)


def sites_by_docker(outdir: Path) -> dict[str, Template]:
    """Returns the templates of the platform and two of SITES whose image the operator's Docker builds."""

    def add(app: cdk.App) -> None:
        platform = PlatformStack(
            app, PLATFORM, image=ImageSource(builder=ImageBuilder.DOCKER), env=cdk.Environment(region=REGION)
        )
        add_sites(app, platform, parse_sites([SITES[0], SITES[3]]), REGION)

    return _synthesize(outdir, add)


def platform_with_allow_list(outdir: Path, allow_list: Any) -> Template:
    """Returns the platform's template for SITES, with an allow-list."""

    def add(app: cdk.App) -> None:
        egress = Egress.of(parse_sites(SITES), REGION, allow_list)
        PlatformStack(app, PLATFORM, egress=egress, env=cdk.Environment(region=REGION))

    return _synthesize(outdir, add)[PLATFORM]


def platform_with_alarm_mail(outdir: Path, address: str) -> Template:
    """Returns the platform's template, with its alarms mailed to the address."""

    def add(app: cdk.App) -> None:
        PlatformStack(app, PLATFORM, alarm_email=address, env=cdk.Environment(region=REGION))

    return _synthesize(outdir, add)[PLATFORM]
