"""A step's context for build and publish, with a real checkout, real child processes, and S3 in moto."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workspace.build.site_publish import publish_target
from workspace.step_context import StepContext
from workspace.system.children import ProcessChildren
from workspace.system.stop import Stop

from sitewright.contracts.names import manifest_key
from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import StepName
from sitewright.publishing.manifest import Manifest
from sitewright.publishing.target import PublishTarget
from tests.support.workspace.runner_parts import TestClients, git, make_checkout, make_settings, request

BUCKET = "edit.amelia.example.com"


@dataclass
class StopFence:
    """A guard that stops once `stop` has a reason. Calls `at` before each check."""

    session: SessionRecord
    stop: Stop
    verified: list[bool] = field(default_factory=list)
    at: Callable[[], None] = lambda: None

    def verify(self, *, allow_superseded: bool = False) -> SessionRecord:
        self.verified.append(allow_superseded)
        return self.session

    def check_stop(self) -> None:
        self.at()
        self.stop.check()


@dataclass
class Site:
    ctx: StepContext
    clients: TestClients
    stop: Stop
    fence: StopFence
    logs: list[str]

    @property
    def target(self) -> PublishTarget:
        return publish_target(self.ctx)

    @property
    def folder(self) -> Path:
        return self.ctx.paths.site

    def live(self) -> set[str]:
        listing = self.clients.s3.list_objects_v2(Bucket=BUCKET)
        return {item["Key"] for item in listing.get("Contents", [])}

    def read(self, key: str) -> str:
        return self.clients.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def manifest(self) -> Manifest:
        body = self.clients.s3.get_object(Bucket="artifacts", Key=manifest_key("amelia"))["Body"].read()
        return Manifest.from_bytes(body)


def make_site(root: Path, files: dict[str, str], *, under_git: bool = True, **settings: Any) -> Site:
    """Creates a site with these files. Tests of publishing alone need no repository."""
    clients = TestClients()
    for bucket in ("artifacts", BUCKET):
        clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    config = make_settings(root, str(root), **settings)
    paths = config.paths
    for folder in (paths.site, paths.home, paths.scratch):
        folder.mkdir(parents=True)
    write(paths.site, {".gitignore": "node_modules\ndist\n", **files})
    if under_git:
        git(paths.site, "init", "-q", "-b", "thread-t1")
        git(paths.site, "add", "-A")
        git(paths.site, "commit", "-qm", "First")
    stop, logs = Stop(), list[str]()
    session = SessionRecord(session_id="s1", client_id="amelia", chat_thread_id="t1")
    fence = StopFence(session, stop)

    def log(message: str, **values: Any) -> None:
        logs.append(f"{message} {values}")

    ctx = StepContext(
        settings=config,
        request=request(StepName.BUILD),
        command=CommandRecord(session_id="s1", command_id="cmd-1", accepted_at=1, commit_message="Add a page\n\nBody"),
        session=session,
        paths=paths,
        checkout=make_checkout(root, str(root)),
        children=ProcessChildren(stop, log),
        fence=fence,
        aws=clients,
        log=log,
        progress=lambda _: None,
    )
    return Site(ctx, clients, stop, fence, logs)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
