"""A build's folder is read without trust: names, limits, and what is no regular file."""

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.limits import DIST_FILE_BYTES, KEY_BYTES
from sitewright.publishing import dist_files
from sitewright.publishing.dist_files import open_beneath, open_file, read_each, scan
from sitewright.publishing.errors import DistRefused


def keys(dist: Path) -> list[str]:
    return [file.key for file in scan(dist)]


def test_an_edit_of_the_same_size_and_time_is_seen_and_an_empty_file_is_a_file(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("one")
    (tmp_path / "empty.txt").write_text("")
    stamp = page.stat()
    first = {f.key: f for f in scan(tmp_path)}
    page.write_text("two")
    os.utime(page, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    second = {f.key: f for f in scan(tmp_path)}
    assert first["index.html"].md5 != second["index.html"].md5 and first["empty.txt"] == second["empty.txt"]
    assert first["empty.txt"].size == 0 and first["empty.txt"].crc32 == 0


def test_files_are_read_in_a_row_up_to_a_limit_and_never_through_a_link(tmp_path: Path) -> None:
    wanted = {"a/b.html": b"one", "a/c.html": b"two", "z.html": b"three"}
    for key, content in wanted.items():
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(content)
    files = scan(tmp_path)
    assert {file.key: content for file, content in read_each(files, 3)} == {k: v[:3] for k, v in wanted.items()}
    assert list(read_each([], 3)) == []
    (tmp_path / "z.html").unlink()
    (tmp_path / "z.html").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match=r"z\.html"):
        list(read_each(files, 3))


def test_a_pointer_of_git_lfs_is_told_from_a_file_about_one(tmp_path: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{7:064d}\nsize 1\n"
    for name, text in {"a.jpg": pointer, "b.md": f"# LFS\n{pointer}", "c.md": pointer + "x" * 1024, "d": ""}.items():
        (tmp_path / name).write_text(text)
    assert [file.key for file in scan(tmp_path) if file.is_lfs_pointer] == ["a.jpg"]


def test_files_come_sorted_from_folders_of_any_order_and_depth(tmp_path: Path) -> None:
    wanted = ["a/b/c.txt", "a/b/d/e.txt", "a/z.txt", "a.txt", "b/b/c.txt", "b/c/b.txt", "index.html", "ü/日本語.html"]
    for key in wanted:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_text(key)
    assert keys(tmp_path) == sorted(wanted)
    for file in scan(tmp_path):
        with open_file(file) as opened:
            assert opened.read().decode() == file.key


@pytest.mark.parametrize(
    ("name", "named"),
    [
        (b"a\x01b.txt", "U+0001"),
        (b"new\nline.html", "U+000A"),
        (b"tab\t.html", "U+0009"),
        (b"return\r.html", "U+000D"),
        (b"delete\x7f.html", "U+007F"),
        ("next\x85line.html".encode(), "U+0085"),
        ("\ufffe.html".encode(), "U+FFFE"),
        ("x\uffff.html".encode(), "U+FFFF"),
        (b"\xff\xfe.html", "not UTF-8"),
        (b"cut-\xe2\x82.html", "not UTF-8"),
        (b"surrogate-\xed\xa0\x80.html", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_name_that_no_key_can_have_is_refused_and_shown(tmp_path: Path, name: bytes, named: str, kind: str) -> None:
    path = tmp_path / os.fsdecode(name)
    if kind == "folder":
        path.mkdir()
    else:
        path.touch()
    with pytest.raises(DistRefused) as refused:
        scan(tmp_path)
    text = str(refused.value)
    assert refused.value.code is ErrorCode.UNPUBLISHABLE_NAME
    assert named in text and text.isprintable() and text.encode().decode() == text and "Rename" in text


@pytest.mark.parametrize(
    "name", ["a b.html", "\u00a0.html", "\u200b.html", "\ud7ff.html", "😀.html", "&<>'\".html", "%01.html"]
)
def test_unusual_names_that_s3_takes_are_no_reason_to_refuse(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    assert keys(tmp_path) == [name]


@pytest.mark.parametrize(("length", "fits"), [(KEY_BYTES, True), (KEY_BYTES + 1, False)])
def test_a_key_may_have_1024_bytes_and_not_one_more(tmp_path: Path, length: int, fits: bool) -> None:
    folder = "/".join(["ö" * 100] * 5)
    name = "x" * (length - len(folder.encode()) - 1)
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / name).write_text("x")
    if fits:
        assert keys(tmp_path) == [f"{folder}/{name}"]
        return
    with pytest.raises(DistRefused, match=r"1,025 bytes, at most 1,024") as refused:
        scan(tmp_path)
    assert refused.value.code is ErrorCode.UNPUBLISHABLE_NAME and "ö" in str(refused.value)


def test_folders_deeper_than_a_key_can_be_are_refused(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(DistRefused) as refused:
        scan(tmp_path)
    assert refused.value.code is ErrorCode.UNPUBLISHABLE_NAME
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 100, "every folder is closed again"


def test_the_number_of_files_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist_files, "DIST_FILES", 10)
    for number in range(10):
        (tmp_path / f"{number}.html").write_text("x")
    assert len(keys(tmp_path)) == 10
    (tmp_path / "11.html").write_text("x")
    with pytest.raises(DistRefused, match="more than 10 files") as refused:
        scan(tmp_path)
    assert refused.value.code is ErrorCode.SITE_TOO_LARGE


def test_empty_folders_and_links_have_a_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist_files, "DIST_ENTRIES", 10)
    for number in range(11):
        (tmp_path / f"{number}").symlink_to("/etc/passwd")
    with pytest.raises(DistRefused, match="files and folders"):
        scan(tmp_path)


def test_a_sparse_file_counts_with_its_length_and_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "film.mp4").open("wb") as film:
        film.truncate(DIST_FILE_BYTES + 1)
    began = time.monotonic()
    with pytest.raises(DistRefused, match=r"dist/film\.mp4 has 1,073,741,825 bytes") as refused:
        scan(tmp_path)
    assert refused.value.code is ErrorCode.SITE_TOO_LARGE and time.monotonic() - began < 1


def test_the_size_of_all_files_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist_files, "DIST_BYTES", 100)
    for number in range(3):
        (tmp_path / f"{number}.html").write_bytes(b"x" * 34)
    with pytest.raises(DistRefused, match="more than 100 bytes together"):
        scan(tmp_path)


def test_a_file_that_grows_while_it_is_read_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist_files, "DIST_FILE_BYTES", 3 * 2**20)
    growing = tmp_path / "endless.log"
    growing.write_bytes(b"x" * 2**20)

    def grow() -> None:
        with growing.open("ab") as file:
            file.write(b"x" * 2**20)

    with pytest.raises(DistRefused, match="grows"):
        scan(tmp_path, grow)


def test_a_stop_ends_a_scan(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}").write_text("")

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        scan(tmp_path, stop)


def without_a_file(tmp_path: Path) -> Path:
    dist = tmp_path / "dist"
    dist.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (dist / "index.html").write_text("<html></html>")
    return dist


def test_links_fifos_and_sockets_are_not_published(tmp_path: Path) -> None:
    dist = without_a_file(tmp_path)
    (dist / "link.txt").symlink_to(tmp_path / "secret.txt")
    (dist / "folder").symlink_to(tmp_path, target_is_directory=True)
    (dist / "environ").symlink_to("/proc/self/environ")
    (dist / "zero").symlink_to("/dev/zero")
    os.mkfifo(dist / "fifo.html")
    os.mknod(dist / "socket.html", stat.S_IFSOCK | 0o600)
    assert keys(dist) == ["index.html"]


def test_a_link_instead_of_dist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dist").symlink_to("/etc")
    with pytest.raises(OSError, match="dist"):
        scan(tmp_path / "dist")


def by_a_link(path: Path) -> None:
    path.symlink_to(path.parents[2] / "secret.txt")


def by_a_fifo(path: Path) -> None:
    os.mkfifo(path)


def by_a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("replace", [by_a_link, by_a_fifo, by_a_folder])
def test_a_file_replaced_after_the_scan_is_not_read(tmp_path: Path, replace: Callable[[Path], None]) -> None:
    dist = without_a_file(tmp_path)
    (dist / "blog").mkdir()
    (dist / "blog/a.html").write_text("<html></html>")
    found = next(file for file in scan(dist) if file.key == "blog/a.html")
    (dist / "blog/a.html").unlink()
    replace(dist / "blog/a.html")
    failed: list[OSError] = []

    def read() -> None:
        try:
            with open_file(found) as opened:
                opened.read()
        except OSError as error:
            failed.append(error)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(5)
    assert not reading.is_alive() and len(failed) == 1


def test_a_folder_replaced_by_a_link_after_the_scan_is_not_followed(tmp_path: Path) -> None:
    dist = without_a_file(tmp_path)
    (dist / "blog").mkdir()
    (dist / "blog/secret.txt").write_text("open")
    found = next(file for file in scan(dist) if file.key == "blog/secret.txt")
    (dist / "blog/secret.txt").unlink()
    (dist / "blog").rmdir()
    (dist / "blog").symlink_to(tmp_path)
    with pytest.raises(OSError, match="blog"), open_file(found):
        pass


@pytest.mark.parametrize("name", ["../secret.txt", "blog/../../secret.txt", "", ".", "/etc/passwd"])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    dist = without_a_file(tmp_path)
    (dist / "blog").mkdir()
    with pytest.raises(OSError, match=r"\S"), open_beneath(dist, name):
        pass
