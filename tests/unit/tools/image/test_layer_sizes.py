import io
import json
import tarfile
from pathlib import Path

from tools.image.layer_sizes import instructions, largest, layers


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_the_layers_of_a_saved_image(tmp_path: Path) -> None:
    history = [{"created_by": "ADD base"}, {"created_by": "ENV A=1", "empty_layer": True}, {"created_by": "RUN  much"}]
    archive = tmp_path / "image.tar"
    archive.write_bytes(
        _tar(
            {
                "manifest.json": json.dumps([{"Config": "c.json", "Layers": ["a.tar", "b.tar"]}]).encode(),
                "c.json": json.dumps({"history": history}).encode(),
                "a.tar": _tar({"usr/lib/a": b"x" * 5_000}),
                "b.tar": _tar({"opt/b/c": b"y" * 70_000, "opt/d": b"z"}),
            }
        )
    )

    base, second = layers(archive)

    assert (base.instruction, base.unpacked) == ("ADD base", 5_000)
    assert (second.instruction, second.unpacked) == ("RUN much", 70_001)
    assert 0 < second.zstd < second.gzip < 1_000
    assert second.folders[0] == ("opt/b", 70_000)


def test_a_folder_whose_bytes_are_in_one_below_is_left_out() -> None:
    assert largest({"usr/lib/node/bin/node": 95, "usr/lib/python/a.py": 5}) == (
        ("usr/lib/node/bin", 95),
        ("usr/lib/python", 5),
    )


def test_an_instruction_is_shortened() -> None:
    assert instructions([{"created_by": "RUN " + "a" * 100}]) == ["RUN " + "a" * 66]
