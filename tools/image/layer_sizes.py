"""Sizes of an image by layer, unpacked and as a registry keeps it (gzip), with the largest folders of each layer. Pure."""

import json
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

BLOCK = 1 << 20
DEPTH = 7
"""Folders deeper than this are counted in their parents."""

GZIP_LEVEL = 6
"""The one of `docker push`."""


@dataclass(frozen=True)
class Layer:
    """One layer. Sizes are bytes."""

    instruction: str
    unpacked: int
    compressed: int
    folders: tuple[tuple[str, int], ...]
    """Folder and bytes below it, largest first. A folder is left out where one below it has nearly all of its bytes."""


def layers(archive: Path) -> Iterator[Layer]:
    """Reads the layers of an archive that `docker save` or `podman save` wrote, the base first."""
    with tarfile.open(archive) as outer:
        [manifest] = json.load(_member(outer, "manifest.json"))
        config = json.load(_member(outer, manifest["Config"]))
        names = instructions(config["history"])
        for position, name in enumerate(manifest["Layers"]):
            compressed = _gzip_size(_member(outer, name))
            with tarfile.open(fileobj=_member(outer, name)) as tar:
                files = {member.name: member.size for member in tar if member.isfile()}
            said = names[position] if position < len(names) else "?"
            yield Layer(said, sum(files.values()), compressed, largest(files))


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


def _gzip_size(file: IO[bytes]) -> int:
    packer, size = zlib.compressobj(GZIP_LEVEL, wbits=31), 0
    while block := file.read(BLOCK):
        size += len(packer.compress(block))
    return size + len(packer.flush())
