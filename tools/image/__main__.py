"""Builds the workspace image and prints its size by layer: `python -m tools.image`."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from sitewright.local.containers.container_engine import Engine
from sitewright.local.containers.workspace_image import provide
from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import Home
from tools.image.layer_sizes import Layer, layers

SAVE_SECONDS = 600
MB = 1_000_000


def main() -> int:
    """Returns the exit code: 0 built and measured, 1 no engine, or the build failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.image", description="Builds the workspace image and prints its size by layer."
    )
    parser.add_argument("--folders", action="store_true", help="list the largest folders of each layer")
    parser.add_argument("--image", help="measure this image instead of building one")
    options = parser.parse_args()
    try:
        engine = Engine.find(os.environ)
        home = Home.find(None, os.environ)
        home.create()
        image = options.image or provide(engine, home, lambda text: print(text, flush=True))
    except LocalError as error:
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="sitewright-image-") as folder:
        archive = Path(folder) / "image.tar"
        engine.call(["save", "--output", str(archive), image], seconds=SAVE_SECONDS)
        found = list(layers(archive))
    print(f"{image}\n" + "\n".join(table(found, folders=options.folders)))
    return 0


def table(found: list[Layer], *, folders: bool) -> list[str]:
    """Returns the lines of the report."""
    lines = [f"{'unpacked':>9} {'gzip':>8} {'zstd':>8}  layer"]
    for layer in found:
        lines.append(_line(layer.unpacked, layer.gzip, layer.zstd, layer.instruction))
        if folders:
            lines += [f"{size / MB:6.1f} MB                      /{name}" for name, size in layer.folders if size > MB]
    unpacked, gzip, zstd = (sum(getattr(layer, name) for layer in found) for name in ("unpacked", "gzip", "zstd"))
    return [*lines, _line(unpacked, gzip, zstd, "together")]


def _line(unpacked: int, gzip: int, zstd: int, text: str) -> str:
    return f"{unpacked / MB:6.1f} MB {gzip / MB:5.1f} MB {zstd / MB:5.1f} MB  {text}"


if __name__ == "__main__":
    sys.exit(main())
