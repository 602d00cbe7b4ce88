"""The build cache of a session: real tar and zstd, S3 in moto."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws
from workspace.build.build_cache import BuildCache, cache_key, is_worth_it
from workspace.errors import Fenced, StepStopped, StopReason

from sitewright.contracts.expiry import CACHE, TAG
from sitewright.contracts.limits import BUILD_CACHE_BYTES
from tests.integration.workspace.build.test_dependencies import (
    SITE,
    archives,
    fresh_workspace,
    provide,
    registry_fixture,  # noqa: F401 - a fixture
)
from tests.support.publishing.site_world import Site, make_site, write
from tests.support.workspace.npm_registry import NpmRegistry

KEY = cache_key("amelia", "s1")


@pytest.fixture
def site(tmp_path: Path, registry: NpmRegistry, small_npm: None) -> Iterator[Site]:
    with mock_aws():
        made = make_site(tmp_path, SITE)
        registry.lock(made.folder)
        assert provide(made)
        yield made


def cache(site: Site) -> BuildCache:
    return BuildCache(site.ctx.settings, site.clients, "s1", site.ctx.log)


def pictures(site: Site, *names: str) -> None:
    write(site.folder / "node_modules" / ".astro", {f"assets/{name}": name for name in names})


def stored(site: Site) -> bytes | None:
    found = site.clients.s3.list_objects_v2(Bucket="artifacts", Prefix=KEY)
    if not found["KeyCount"]:
        return None
    return site.clients.s3.get_object(Bucket="artifacts", Key=KEY)["Body"].read()


def restored(site: Site) -> set[str]:
    """Returns the cached pictures that a fresh workspace of the session restores."""
    fresh_workspace(site)
    assert not provide(site)
    found = (site.folder / "node_modules" / ".astro").rglob("*.webp")
    return {path.name for path in found}


def shared(site: Site) -> bytes:
    (key,) = archives(site)
    return site.clients.s3.get_object(Bucket="artifacts", Key=key)["Body"].read()


def test_a_fresh_workspace_of_the_session_has_the_cache(site: Site) -> None:
    packages = shared(site)
    pictures(site, "a.webp", "b.webp")
    assert cache(site).save(site.fence) and not cache(site).save(site.fence), "nothing is new"
    assert site.clients.s3.get_object_tagging(Bucket="artifacts", Key=KEY)["TagSet"] == [{"Key": TAG, "Value": CACHE}]
    assert restored(site) == {"a.webp", "b.webp"}
    assert not cache(site).save(site.fence), "nothing is new"
    pictures(site, "c.webp")
    assert cache(site).save(site.fence) and restored(site) == {"a.webp", "b.webp", "c.webp"}
    assert shared(site) == packages, "the packages stay those that were installed"
    assert not list(site.ctx.paths.scratch.iterdir())


def test_another_session_receives_nothing_that_this_one_wrote(site: Site) -> None:
    pictures(site, "a.webp")
    write(site.folder / "node_modules", {"evil/index.js": "x", "tiny/index.js": "evil"})
    assert cache(site).save(site.fence)
    session = site.ctx.session.model_copy(update={"session_id": "s2"})
    assert restored(replace(site, ctx=replace(site.ctx, session=session))) == set()
    assert not (site.folder / "node_modules" / "evil").exists()
    assert "evil" not in (site.folder / "node_modules/tiny/index.js").read_text()


def test_another_lock_file_keeps_the_sessions_cache(site: Site, registry: NpmRegistry) -> None:
    pictures(site, "a.webp")
    assert cache(site).save(site.fence)
    write(site.folder, {"package.json": SITE["package.json"].replace("tiny", "small")})
    registry.lock(site.folder)
    assert provide(site) and (site.folder / "node_modules/.astro/assets/a.webp").exists()


def test_a_damaged_cache_is_no_reason_to_fail(site: Site) -> None:
    site.clients.s3.put_object(Bucket="artifacts", Key=KEY, Body=b"rubbish")
    assert restored(site) == set() and any("cannot be used" in line for line in site.logs)
    pictures(site, "a.webp")
    assert cache(site).save(site.fence)


def test_without_cache_or_without_packages_nothing_is_uploaded(site: Site) -> None:
    before = stored(site)
    assert not cache(site).save(site.fence) and stored(site) == before
    shutil.rmtree(site.folder / "node_modules")
    assert not cache(site).save(site.fence)


def test_too_large_a_cache_is_not_saved(site: Site) -> None:
    pictures(site, "a.webp")
    with (site.folder / "node_modules/.astro/assets/film.webp").open("wb") as film:
        film.truncate(BUILD_CACHE_BYTES + 1)
    assert not cache(site).save(site.fence) and stored(site) is None


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
