"""A site's buckets on the endpoint, its publishers, and the checks of its content."""

import hashlib
import re
import signal
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sitewright.contracts.names import deployment_key, manifest_key
from sitewright.local.aws_clients import Aws
from sitewright.local.machine.ports import LOOPBACK
from sitewright.local.stack.cdk_deploy import REGION
from sitewright.publishing.after_publish.drift import compare
from sitewright.publishing.manifest import ASSET_GRACE_MS, Manifest
from sitewright.publishing.site_files import ListedObject
from tests.support.publisher_processes import site_trees
from tests.support.publisher_processes.breaking_proxy import Fault, Plan, Proxy, Request
from tests.support.publisher_processes.forking_publisher import DONE, Order
from tests.support.publisher_processes.publisher_launcher import Publisher, Publishers
from tests.support.publisher_processes.site_trees import Tree

_LOADS = re.compile(rb'(?:src="|url\(|import one from ")/([^")]+)')
_LINKS = re.compile(rb'href="/([^"]+)"')
_numbers = count(1)


def md5(content: bytes) -> str:
    """Returns the MD5 in hex."""
    return hashlib.md5(content).hexdigest()


@dataclass
class World:
    """One site. Its publishers use the proxy, its checks do not."""

    port: int
    publishers: Publishers
    folder: Path
    client: str = field(default_factory=lambda: f"c{next(_numbers)}")
    known: dict[str, set[str]] = field(default_factory=dict)
    """The valid MD5s of each key, from all builds so far."""

    def __post_init__(self) -> None:
        self.proxy = Proxy(self.port)
        self.s3: Any = Aws(f"http://{LOOPBACK}:{self.port}", REGION).s3
        self.bucket, self.artifacts = f"edit.{self.client}.example.com", f"artifacts-{self.client}"
        for bucket in (self.bucket, self.artifacts):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self._orders = count(1)
        # An ETag is the content's MD5, so each content of a key is read once.
        self._read: dict[tuple[str, str], bytes] = {}

    def close(self) -> None:
        """Ends publishers and proxy. The buckets stay, because the endpoint ends soon."""
        self.proxy.close()

    def start(self, made: Tree, lease_owner: str = "s1", commit: str = "c" * 40, **more: Any) -> Publisher:
        """Begins to publish a build."""
        number = next(self._orders)
        for key, content in made.items():
            self.known.setdefault(key, set()).add(md5(content))
        dist = site_trees.write(made, self.folder / f"{self.client}-{number}")
        return self._start(number, lease_owner=lease_owner, dist=str(dist), commit=commit, **more)

    def start_folder(self, dist: Path) -> Publisher:
        """Begins to publish a folder whose content `check_pages` does not know."""
        return self._start(next(self._orders), lease_owner="s1", dist=str(dist), commit="c" * 40)

    def start_rollback(self, deployment_id: str, **more: Any) -> Publisher:
        """Begins to roll back."""
        return self._start(next(self._orders), lease_owner="", target=deployment_id, **more)

    def _start(self, number: int, **more: Any) -> Publisher:
        return self.publishers.start(
            Order(
                number=0,
                bucket=self.bucket,
                artifacts=self.artifacts,
                client=self.client,
                report=str(self.folder / f"{self.client}-{number}.report"),
                **{"url": self.proxy.url, **more},
            )
        )

    def publish(self, made: Tree, lease_owner: str = "s1", commit: str = "c" * 40, **more: Any) -> str:
        """Publishes a build without a fault. Returns the deployment's id."""
        return self._through(lambda: self.start(made, lease_owner, commit, **more))

    def roll_back(self, deployment_id: str, *, waits: bool = False, **more: Any) -> str:
        """Rolls back without a fault. Returns the new deployment's id."""
        return self._through(lambda: self.start_rollback(deployment_id, **more), waits=waits)

    def _through(self, begin: Callable[[], Publisher], *, waits: bool = False) -> str:
        self.proxy.set_plan(lambda _: Fault.NONE)
        publisher = begin()
        assert publisher.wait() == DONE, publisher.said
        assert publisher.waited is waits, "whether another publisher has the lease"
        self.proxy.settle()
        return publisher.said

    def at_request(
        self, number: int, fault: Fault, act: Callable[[], None] = lambda: None, *, kind: str | None = None
    ) -> Plan:
        """Returns a plan with one fault, at the n-th request (of a kind). The request may be executed after `act`."""
        counted = count(1)

        def plan(request: Request) -> Fault:
            if kind not in {None, request.kind} or next(counted) != number:
                return Fault.NONE
            act()
            return fault

        return plan

    def killed(self, begin: Callable[[], Publisher], number: int, *, carried_out: bool, kind: str | None = None) -> int:
        """Begins, and kills the process at its n-th request (of a kind).

        Waits for all requests under way, and returns the exit code.
        """
        fault = Fault.LOST_RESET if carried_out else Fault.RESET
        return self._acted(begin, Publisher.kill, lambda act: self.at_request(number, fault, act, kind=kind))

    def signalled(
        self, begin: Callable[[], Publisher], number: int, sent: signal.Signals, *, kind: str | None = None
    ) -> int:
        """Like `killed`, with a signal that the process handles."""
        return self._acted(
            begin,
            lambda publisher: publisher.send(sent),
            lambda act: self.at_request(number, Fault.NONE, act, kind=kind),
        )

    def faulty(self, made: Tree, plan: Plan, **more: Any) -> Publisher:
        """Publishes a build while requests break. Returns the ended process."""
        self.proxy.set_plan(plan)
        publisher = self.start(made, **more)
        publisher.wait(90)
        self.proxy.settle()
        return publisher

    def _acted(
        self,
        begin: Callable[[], Publisher],
        act: Callable[[Publisher], None],
        plan: Callable[[Callable[[], None]], Plan],
    ) -> int:
        begun: Future[Publisher] = Future()
        self.proxy.set_plan(plan(lambda: act(begun.result())))
        begun.set_result(begin())
        code = begun.result().wait()
        self.proxy.settle()
        return code

    def manifest(self) -> Manifest | None:
        """Returns the live manifest."""
        try:
            answer = self.s3.get_object(Bucket=self.artifacts, Key=manifest_key(self.client))
        except self.s3.exceptions.NoSuchKey:
            return None
        return Manifest.from_bytes(answer["Body"].read())

    def deployment(self, deployment_id: str) -> Manifest:
        """Returns a deployment's own manifest."""
        answer = self.s3.get_object(Bucket=self.artifacts, Key=deployment_key(self.client, deployment_id))
        return Manifest.from_bytes(answer["Body"].read())

    def record_sync(self, *, due: bool = False) -> list[str]:
        """Checks the manifest like record_sync, and returns the drift. With `due` all retired assets are due."""
        manifest = self.manifest()
        assert manifest is not None
        report = compare(manifest, self._objects(), 2 * ASSET_GRACE_MS + manifest.created_at if due else None)
        self.s3.put_object(Bucket=self.artifacts, Key=manifest_key(self.client), Body=report.manifest.to_bytes())
        return report.drift

    def live(self) -> dict[str, str]:
        """Returns key and ETag of every object of the site."""
        return {key: found.etag for key, found in self._objects().items()}

    def _objects(self) -> dict[str, ListedObject]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {
            o["Key"]: ListedObject(o["ETag"].strip('"'), o["Size"]) for page in pages for o in page.get("Contents", [])
        }

    def check_pages(self) -> None:
        """Checks that every page is whole, and that all files it loads exist with the content of a build.

        Also checks that the links from the root page lead to existing pages.
        """
        live = self.live()
        self._walk(live, [key for key in live if key.endswith(".html")], _LOADS)
        self._walk(live, [key for key in live if key == "index.html"], _LINKS)

    def _walk(self, live: dict[str, str], waiting: list[str], reference: re.Pattern[bytes]) -> None:
        seen = set(waiting)
        while waiting:
            key = waiting.pop()
            assert live[key] in self.known.get(key, ()), f"{key} is of no build"
            content = self._content(key, live[key])
            assert md5(content) == live[key]
            for found in reference.findall(content):
                wanted = unquote(found.decode())
                assert wanted in live, f"{key} refers to {wanted}, which is not there"
                if wanted not in seen:
                    seen.add(wanted)
                    waiting.append(wanted)

    def _content(self, key: str, etag: str) -> bytes:
        if (content := self._read.get((key, etag))) is None:
            content = self._read[key, etag] = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def check_is(self, made: Tree, *, commit: str | None = None) -> Manifest:
        """Checks that the site is this build, besides retired assets, and that both manifests match."""
        manifest = self.check_site(made, commit=commit)
        assert self.deployment(manifest.deployment_id) == manifest
        return manifest

    def check_site(self, made: Tree, *, commit: str | None = None) -> Manifest:
        """Like `check_is`, but without the deployment's own report."""
        live, manifest = self.live(), self.manifest()
        assert manifest is not None
        assert {key: etag for key, etag in live.items() if key in made} == {key: md5(made[key]) for key in made}
        assert [key for key in live if key not in made and not key.startswith("_astro/")] == []
        assert (manifest.complete, manifest.reconcile, manifest.lease_owner) == (True, False, None)
        assert {key: entry.etag for key, entry in manifest.files.items()} == live
        assert {key for key, entry in manifest.files.items() if entry.retired_at is None} == set(made)
        assert commit in {None, manifest.commit}
        self._check_versions(made, manifest)
        self.check_pages()
        return manifest

    def _check_versions(self, made: Tree, manifest: Manifest) -> None:
        """Checks that each version of the manifest is stored with its content. Then a rollback to it works."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        stored = {(v["Key"], v["VersionId"]): v["ETag"].strip('"') for page in pages for v in page.get("Versions", [])}
        for key in made:
            entry = manifest.files[key]
            assert stored.get((key, str(entry.version_id))) == entry.etag, f"version {entry.version_id} of {key}"
