"""A small pack in the checkout whose objects unfold to gigabytes: refused in time, with little memory and disk."""

import hashlib
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workspace.errors import GitError, StepFailed
from workspace.repository.git_errors import BundleVerdict, classify_bundle
from workspace.repository.objects import streams
from workspace.repository.objects.streams import Command
from workspace.system.processes import Completed

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.limits import GIT_MEMORY_BYTES
from tests.support.workspace.guest_world import GuestWorld, guest_world
from tests.support.workspace.runner_parts import git

COMMIT, TREE, BLOB, REF_DELTA = 1, 2, 3, 7
BASE_BYTES = 15 * 2**20
"""The zeros that every delta copies from."""

MB = 2**20


@pytest.fixture
def world() -> Iterator[GuestWorld]:
    with guest_world() as made:
        yield made


def number(value: int) -> bytes:
    """The sizes of a delta: seven bits a byte, the lowest first (gitformat-pack)."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delta(size: int) -> bytes:
    """A delta that makes an object of `size` bytes out of copies of the base: seven bytes for each 15 MB."""
    copies = [BASE_BYTES] * (size // BASE_BYTES) + [size % BASE_BYTES]
    copy = b"".join(b"\xf0" + struct.pack("<I", count)[:3] for count in copies if count)
    return number(BASE_BYTES) + number(size) + copy


def entry(kind: int, content: bytes, base: bytes = b"") -> bytes:
    size = len(content)
    head = [kind << 4 | size & 0x0F]
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + base + zlib.compress(content)


def oid(kind: str, content: bytes) -> bytes:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def write_pack(folder: Path, objects: dict[bytes, bytes]) -> int:
    """Writes a pack and its index (version 2) without git, which would have to unfold it. Returns the pack's size."""
    pack, offsets = bytearray(b"PACK" + struct.pack(">II", 2, len(objects))), {}
    for name, data in objects.items():
        offsets[name] = len(pack)
        pack += data
    pack += (checksum := hashlib.sha1(pack).digest())
    names = sorted(objects)
    fanout = [sum(name[0] <= first for name in names) for first in range(256)]
    index = b"\xfftOc" + struct.pack(">I256I", 2, *fanout) + b"".join(names)
    index += b"".join(struct.pack(">I", zlib.crc32(objects[name])) for name in names)
    index += b"".join(struct.pack(">I", offsets[name]) for name in names) + checksum
    index += hashlib.sha1(index).digest()
    for ending, content in (("pack", bytes(pack)), ("idx", index)):
        (folder / f"pack-{checksum.hex()}.{ending}").write_bytes(content)
    return len(pack)


def plant(world: GuestWorld, sizes: list[int], *, with_base: bool) -> tuple[str, int]:
    """Puts a commit with files of these sizes into the checkout. Returns it, and the size of its pack.

    Without the base in the commit git has to unfold the files to send them; with it the deltas are sent as they are.
    """
    site = world.checkout.site
    parent, base = world.checkout.head(), bytes(BASE_BYTES)
    objects = {oid("blob", base): entry(BLOB, base)}
    lines = []
    for count, size in enumerate(sizes):
        # Nobody can tell the true id without unfolding the object.
        name = hashlib.sha1(f"invented {count}".encode()).digest()
        objects[name] = entry(REF_DELTA, delta(size), oid("blob", base))
        lines.append(f"100644 {count:04}".encode() + b"\0" + name)
    if with_base:
        lines.append(b"100644 base\0" + oid("blob", base))
    tree = b"".join(lines)
    objects[oid("tree", tree)] = entry(TREE, tree)
    commit = (
        f"tree {oid('tree', tree).hex()}\nparent {parent}\nauthor x <x@x> 1 +0000\ncommitter x <x@x> 1 +0000\n\nBomb\n"
    ).encode()
    objects[oid("commit", commit)] = entry(COMMIT, commit)
    return oid("commit", commit).hex(), write_pack(site / ".git" / "objects" / "pack", objects)


class Watch:
    """Looks at the memory of the git commands of both users while they work."""

    def __init__(self, world: GuestWorld) -> None:
        self.mark = f"GIT_CEILING_DIRECTORIES={world.paths.root}".encode()
        self.most = 0

    def __call__(self) -> None:
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (proc / "environ").read_bytes().split(b"\0"):
                    lines = (proc / "status").read_text().splitlines()
                    self.most = max([self.most, *(int(line.split()[1]) * 1024 for line in lines if "VmHWM" in line)])
            except OSError:
                continue


def disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("with_base", [True, False], ids=["as a delta", "unfolded by the sender"])
def test_an_object_that_unfolds_to_gigabytes_is_refused(world: GuestWorld, with_base: bool) -> None:
    commit, packed = plant(world, [3 * 2**30], with_base=with_base)
    assert packed < 1 * MB
    watch, began = Watch(world), time.monotonic()

    with pytest.raises(StepFailed) as caught:
        world.checkout.remote.push(commit, "thread-t1", timeout=60, poll=watch)

    assert caught.value.error.code is ErrorCode.OBJECTS_REFUSED and caught.value.error.remedy
    assert time.monotonic() - began < 30
    assert watch.most < GIT_MEMORY_BYTES
    assert disk(world.paths.private) < 10 * MB
    assert git(world.host.root / "site.git", "branch", "--list", "thread-t1") == ""
    # The session is not lost: what was before the bomb goes out.
    world.checkout.remote.push(world.checkout.head(), "thread-t1", timeout=30)


def test_objects_that_unfold_one_by_one_end_at_the_time_limit(world: GuestWorld) -> None:
    commit, packed = plant(world, [400 * MB] * 200, with_base=True)
    assert packed < 1 * MB
    watch, began = Watch(world), time.monotonic()

    with pytest.raises(TimeoutError):
        world.checkout.remote.push(commit, "thread-t1", timeout=5, poll=watch)

    assert time.monotonic() - began < 30
    assert watch.most < GIT_MEMORY_BYTES + 100 * MB
    assert disk(world.paths.private) < 10 * MB
    watch.most = 0
    watch()
    assert watch.most == 0, "git still unfolds"


def test_a_bomb_in_the_saved_bundle_is_a_damaged_bundle_and_fills_no_memory(world: GuestWorld) -> None:
    commit, _ = plant(world, [3 * 2**30], with_base=True)
    world.attack(f"git update-ref HEAD {commit}")
    bundle = world.paths.scratch / "bundle"
    world.checkout.remote.exchange.save_bundle(bundle, timeout=30)
    other = world.fresh()
    other.begin()
    watch = Watch(world)
    watch.mark = f"GIT_CEILING_DIRECTORIES={world.root / 'other'}".encode()

    with pytest.raises(GitError) as caught:
        other.remote.exchange.load_bundle(bundle, timeout=60, poll=watch)

    assert classify_bundle(caught.value.stderr) is BundleVerdict.DAMAGED
    assert 0 < watch.most < GIT_MEMORY_BYTES


def test_what_the_checkout_takes_from_the_transport_has_the_limit_of_memory(
    world: GuestWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, sinks = streams.pipe, list[str]()

    def seen(source: Command, sink: Command, **options: Any) -> tuple[Completed, Completed]:
        sinks.append(" ".join(sink.argv))
        return pipe(source, sink, **options)

    monkeypatch.setattr(streams, "pipe", seen)
    world.fresh().clone(timeout=30)
    assert sinks and all(f"--data={GIT_MEMORY_BYTES} " in sink for sink in sinks)
