"""The build cache in the archive of node_modules: real tar and zstd, S3 in moto."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from workspace.build import build_cache
from workspace.build.build_cache import BuildCache, is_worth_it
from workspace.build.dependencies import PACKAGES_BYTES, Modules
from workspace.errors import Fenced, StepStopped, StopReason

from tests.integration.workspace.build.test_dependencies import SITE, archives, provide
from tests.support.publishing.site_world import Site, make_site, npm_lock, write


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, SITE)
        npm_lock(made.folder)
        assert provide(made)
        yield made


def cache(site: Site) -> BuildCache:
    return BuildCache(site.ctx.settings, site.clients, site.ctx.log)


def pictures(site: Site, *names: str) -> None:
    write(site.folder / "node_modules" / ".astro", {f"assets/{name}": name for name in names})


def stored(site: Site) -> bytes:
    (key,) = archives(site)
    return site.clients.s3.get_object(Bucket="artifacts", Key=key)["Body"].read()


def restored(site: Site) -> set[str]:
    """Returns the cached pictures that a fresh workspace restores."""
    shutil.rmtree(site.folder / "node_modules")
    assert not provide(site)
    assert (site.folder / "node_modules" / "tiny").is_symlink()
    found = (site.folder / "node_modules" / ".astro").rglob("*.webp")
    return {path.name for path in found}


def test_a_fresh_workspace_has_packages_and_cache_from_one_archive(site: Site) -> None:
    packages = stored(site)
    pictures(site, "a.webp", "b.webp")
    assert cache(site).save(site.fence)
    assert stored(site).startswith(packages), "the packages stay those that were installed"
    assert restored(site) == {"a.webp", "b.webp"}
    assert not cache(site).save(site.fence), "nothing is new"
    pictures(site, "c.webp")
    assert cache(site).save(site.fence)
    assert stored(site).startswith(packages) and restored(site) == {"a.webp", "b.webp", "c.webp"}
    assert not list(site.ctx.paths.scratch.glob("*.zst"))


def test_damaged_packages_of_a_session_reach_no_other_session(site: Site) -> None:
    pictures(site, "a.webp")
    write(site.folder / "node_modules", {"evil/index.js": "x"})
    assert cache(site).save(site.fence) and restored(site) == {"a.webp"}
    assert not (site.folder / "node_modules" / "evil").exists()


def test_large_packages_are_copied_by_s3_and_not_sent_again(site: Site) -> None:
    (site.folder / "node_modules" / "noise.bin").write_bytes(os.urandom(6 << 20))
    (key,) = archives(site)
    Modules(site.ctx, lambda *_: None, {}, lambda _: None)._save(key)  # type: ignore[arg-type,return-value]
    packages = stored(site)
    assert len(packages) > 6 << 20
    sent: list[int] = []

    def count(request: Any, **_: Any) -> None:
        sent.append(int(request.headers.get("Content-Length", 0)))

    site.clients.s3.meta.events.register("before-send.s3", count)
    pictures(site, "a.webp")
    assert cache(site).save(site.fence)
    assert stored(site).startswith(packages) and restored(site) == {"a.webp"}
    assert 0 < sum(sent) < 1 << 20
    head = site.clients.s3.head_object(Bucket="artifacts", Key=key)
    assert head["Metadata"][PACKAGES_BYTES] == str(len(packages))


def test_without_cache_or_without_packages_nothing_is_uploaded(site: Site) -> None:
    before = stored(site)
    assert not cache(site).save(site.fence) and stored(site) == before
    shutil.rmtree(site.folder / "node_modules")
    assert not cache(site).save(site.fence)


@pytest.mark.parametrize("mark", ["amelia/site/manifest.json.gz", "other/cache/node_modules-" + "0" * 64, "\udcff", ""])
def test_a_key_that_the_agent_wrote_is_not_believed(site: Site, mark: str) -> None:
    pictures(site, "a.webp")
    (site.folder / "node_modules" / ".sitewright-modules").write_text(mark, errors="surrogateescape")
    assert not cache(site).save(site.fence)


def test_a_link_for_a_folder_is_not_followed(site: Site, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"secret.webp": "x"})
    (site.folder / "node_modules" / ".astro").symlink_to(tmp_path / "elsewhere")
    assert not cache(site).save(site.fence)


def test_a_stop_ends_the_upload_and_the_next_attempt_saves(site: Site) -> None:
    before = stored(site)
    pictures(site, "a.webp")
    site.stop.add(StopReason.INTERRUPT)
    with pytest.raises(StepStopped):
        cache(site).save(site.fence)
    assert stored(site) == before
    site.stop.reasons.clear()
    assert cache(site).save(site.fence)


def test_without_the_claim_nothing_is_uploaded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise Fenced("no claim")

    before = stored(site)
    pictures(site, "a.webp")
    monkeypatch.setattr(site.fence, "verify", refuse)
    assert not cache(site).save(site.fence) and stored(site) == before


def test_cancel_ends_a_background_upload(site: Site) -> None:
    before = stored(site)
    pictures(site, "a.webp")
    packing, go = threading.Event(), threading.Event()

    def delay() -> None:
        packing.set()
        assert go.wait(10)

    site.fence.at = delay
    saving = cache(site)
    saving.start(site.fence)
    # Delays the fence's check until after the cancellation.
    threading.Timer(0.2, go.set).start()
    saving.cancel()
    assert stored(site) == before
    site.fence.at = lambda: None
    saving.start(site.fence)
    thread = saving._thread
    assert thread is not None
    thread.join(10)
    assert restored(site) == {"a.webp"}


def test_a_cache_is_saved_if_a_quarter_is_new() -> None:
    archived = {f"{n}.webp" for n in range(40)}
    files = dict.fromkeys(archived, 1000)
    assert is_worth_it(files, set()) and not is_worth_it(files, archived) and not is_worth_it({}, set())
    more = {f"new-{n}.webp": 1000 for n in range(9)}
    assert not is_worth_it(files | more, archived)
    assert is_worth_it(files | more | {"one.webp": 1000}, archived)
    assert not is_worth_it({"film.webp": build_cache.LARGEST_BYTES + 1}, set())
