"""The archive of the functions' packages: the layer's paths, the same bytes each time."""

import zipfile
from pathlib import Path

import pytest

from tools.function_packages import archive

SITE_PACKAGES = "python/lib/python3.13/site-packages"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "bread-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as content:
        content.writestr("bread/__init__.py", "CRUST = True\n")
        content.writestr("bread-1.0.dist-info/METADATA", "Name: bread\n")
        content.writestr("bread-1.0.data/scripts/bake", "#!/bin/sh\n")
    return path


def test_packages_lie_where_lambda_looks_for_them(wheel: Path, tmp_path: Path) -> None:
    archive([wheel], "bread==1.0\n", tmp_path / "layer.zip")
    with zipfile.ZipFile(tmp_path / "layer.zip") as layer:
        assert layer.namelist() == [
            "lambdas/requirements.txt",
            f"{SITE_PACKAGES}/bread-1.0.dist-info/METADATA",
            f"{SITE_PACKAGES}/bread/__init__.py",
        ]
        assert layer.read("lambdas/requirements.txt") == b"bread==1.0\n"


def test_the_same_wheels_make_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    archive([wheel], "bread==1.0\n", tmp_path / "one.zip")
    later = wheel.rename(tmp_path / "bread-1.0-py2.py3-none-any.whl")
    later.touch()
    archive([later], "bread==1.0\n", tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
