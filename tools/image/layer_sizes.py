"""Sizes of an image by layer: unpacked, and as a registry keeps it. With the largest folders of each layer. Pure."""

import json
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import zstandard

BLOCK = 1 << 20
DEPTH = 7
"""Folders deeper than this are counted in their parents."""

GZIP_LEVEL = 6
"""The one of `docker push`."""

ZSTD_LEVEL = 3
"""The one of the build in CodeBuild."""


@dataclass(frozen=True)
class Layer:
    """One layer. Sizes are bytes."""

    instruction: str
    unpacked: int
    gzip: int
    zstd: int
    folders: tuple[tuple[str, int], ...]
    """Folder and bytes below it, largest first. A folder is left out where one below it has nearly all of its bytes."""


def layers(archive: Path) -> Iterator[Layer]:
    """Reads the layers of an archive that `docker save` or `podman save` wrote, the base first."""
    with tarfile.open(archive) as outer:
        [manifest] = json.load(_member(outer, "manifest.json"))
        config = json.load(_member(outer, manifest["Config"]))
        names = instructions(config["history"])
        for position, name in enumerate(manifest["Layers"]):
            gzip, zstd = _packed_sizes(_member(outer, name))
            with tarfile.open(fileobj=_member(outer, name)) as tar:
                files = {member.name: member.size for member in tar if member.isfile()}
            said = names[position] if position < len(names) else "?"
            yield Layer(said, sum(files.values()), gzip, zstd, largest(files))


def instructions(history: list[dict[str, Any]]) -> list[str]:
    """Returns the Dockerfile's instruction of each layer, shortened."""
    made = (entry for entry in history if not entry.get("empty_layer"))
    return [" ".join(entry.get("created_by", entry.get("comment", "base")).split())[:70] for entry in made]


def largest(files: dict[str, int], count: int = 12, share: float = 0.9) -> tuple[tuple[str, int], ...]:
    """Returns the folders with the most bytes, without those whose bytes are nearly all in one folder below."""
    totals: Counter[str] = Counter()
    for name, size in files.items():
        for folder in list(PurePosixPath(name).parents)[:-1]:
            if len(folder.parts) <= DEPTH:
                totals[str(folder)] += size
    inner: Counter[str] = Counter()
    for folder_name, size in totals.items():
        parent = str(PurePosixPath(folder_name).parent)
        inner[parent] = max(inner[parent], size)
    kept = [(name, size) for name, size in totals.items() if inner[name] < share * size]
    return tuple(sorted(kept, key=lambda entry: -entry[1])[:count])


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} of the image archive is not a file")
    return file


def _packed_sizes(file: IO[bytes]) -> tuple[int, int]:
    """Returns the sizes in gzip and in zstd."""
    gzip, zstd = zlib.compressobj(GZIP_LEVEL, wbits=31), zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    sizes = [0, 0]
    while block := file.read(BLOCK):
        sizes[0] += len(gzip.compress(block))
        sizes[1] += len(zstd.compress(block))
    return sizes[0] + len(gzip.flush()), sizes[1] + len(zstd.flush())
