"""An interrupted step `build` publishes whole pages and deletes nothing."""

import threading
import time
from collections.abc import Callable

import pytest
from workspace.errors import StepStopped, StopReason
from workspace.steps import build_step
from workspace.system.stop import Stop

from sitewright.contracts.names import manifest_key
from tests.support.publishing.site_world import BUCKET, Site, write
from tests.support.workspace.npm_site import (
    BUILD,
)
from tests.support.workspace.runner_parts import git


def interrupt_when(site: Site, condition: Callable[[], bool]) -> None:
    def wait() -> None:
        while not condition():
            time.sleep(0.02)
        site.stop.add(StopReason.INTERRUPT)

    threading.Thread(target=wait, daemon=True).start()


def test_an_interrupted_build_publishes_its_whole_pages(made_for_npm: Site) -> None:
    script = BUILD + "fs.writeFileSync('dist/cut.html', '<html>'); setTimeout(() => {}, 60000)"
    write(made_for_npm.folder, {"build.js": script})
    interrupt_when(made_for_npm, (made_for_npm.folder / "dist" / "cut.html").exists)
    with pytest.raises(StepStopped):
        build_step.run(made_for_npm.ctx)
    made_for_npm.fence.stop = Stop()
    assert build_step.publish_partial(made_for_npm.ctx) == 2
    assert made_for_npm.live() == {"index.html", "env.json"}
    assert not made_for_npm.manifest().complete and made_for_npm.manifest().commit == git(
        made_for_npm.folder, "rev-parse", "HEAD"
    )


def test_an_interrupted_publish_is_finished_without_deletes(made: Site) -> None:
    made.clients.s3.put_object(Bucket=BUCKET, Key="old.html", Body=b"old")
    interrupt_when(made, lambda: "env.json" in made.live())
    made.fence.at = lambda: time.sleep(0.2)
    with pytest.raises(StepStopped):
        build_step.run(made.ctx)
    made.fence.stop, made.fence.at = Stop(), lambda: None
    build_step.publish_partial(made.ctx)
    assert made.live() == {"index.html", "env.json", "old.html"}


@pytest.mark.parametrize("build_js", ["process.exit(3)", BUILD + "process.exit(3)"])
def test_a_failed_build_is_never_published(made: Site, build_js: str) -> None:
    write(made.folder, {"build.js": build_js})
    assert not build_step.run(made.ctx).build_success
    assert build_step.publish_partial(made.ctx) == 0 and made.live() == set()


def test_an_interrupt_before_the_build_publishes_nothing_of_an_older_dist(made: Site) -> None:
    write(made.folder / "dist", {"index.html": "<html>another session</html>"})
    made.stop.add(StopReason.INTERRUPT)
    with pytest.raises(StepStopped):
        build_step.run(made.ctx)
    made.fence.stop = Stop()
    assert build_step.publish_partial(made.ctx) == 0 and made.live() == set()


def test_an_interrupt_after_the_publish_does_not_publish_again_over_another_session(made: Site) -> None:
    assert build_step.run(made.ctx).deploy_success
    made.clients.s3.put_object(Bucket=BUCKET, Key="index.html", Body=b"another session's")
    changed = made.manifest().model_copy(update={"deployment_id": "another", "files": {}})
    made.clients.s3.put_object(Bucket="artifacts", Key=manifest_key("amelia"), Body=changed.to_bytes())
    assert build_step.publish_partial(made.ctx) == 0
    assert made.read("index.html") == "another session's"
