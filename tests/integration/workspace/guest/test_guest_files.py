"""Files of the guest's: each trick with a name, a kind or a size is refused at once."""

import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workspace.guest import guest_files
from workspace.guest.guest_files import GuestFileError, Refusal, held, look, open_file, read_file, walk

LIMIT = 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("of the runner")
    folder = tmp_path / "site"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "index.md").write_text("# Home")
    return folder


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    try:
        os.chdir(path.parent)  # its whole path may be too long
        listener.bind(path.name)
    finally:
        os.chdir(before)
        listener.close()


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 * 2**30)


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (fifo, Refusal.NOT_REGULAR),
        (unix_socket, Refusal.NOT_REGULAR),
        (Path.mkdir, Refusal.NOT_REGULAR),
        (sparse, Refusal.TOO_LARGE),
        (link("../secret"), Refusal.LINK),
        (link("src/index.md"), Refusal.LINK),
        (link("/dev/zero"), Refusal.LINK),
        (link("package.json"), Refusal.LINK),
        (lambda _path: None, Refusal.MISSING),
    ],
    ids=["fifo", "socket", "folder", "sparse", "link-out", "link-within", "device", "link-loop", "nothing"],
)
def test_what_is_no_small_regular_file_is_refused_and_never_blocks(
    root: Path, plant: Callable[[Path], None], reason: Refusal
) -> None:
    plant(root / "package.json")
    began = time.monotonic()
    with pytest.raises(GuestFileError) as refused:
        read_file(root, "package.json", limit=LIMIT)
    assert time.monotonic() - began < 1
    assert (refused.value.path, refused.value.reason) == ("package.json", reason)
    assert refused.value.limit == (LIMIT if reason is Refusal.TOO_LARGE else None)


def test_a_device_is_not_read(root: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    with pytest.raises(GuestFileError, match="not regular"):
        read_file(root, "zero", limit=LIMIT)


def test_a_link_in_the_middle_of_a_path_leads_nowhere(root: Path) -> None:
    (root / "out").symlink_to("..")
    with pytest.raises(GuestFileError) as refused:
        read_file(root, "out/secret", limit=LIMIT)
    assert refused.value.reason is Refusal.LINK
    assert look(root, "out/secret") is None


@pytest.mark.parametrize("name", ["../secret", "src/../../secret", "/etc/passwd", "", ".", "a\0b"])
def test_a_name_cannot_leave_the_root(root: Path, name: str) -> None:
    with pytest.raises(GuestFileError):
        read_file(root, name, limit=LIMIT)


def test_a_regular_file_is_read_up_to_its_limit(root: Path) -> None:
    assert read_file(root, "src/index.md", limit=6) == b"# Home"
    with pytest.raises(GuestFileError) as refused:
        read_file(root, "src/index.md", limit=5)
    assert (refused.value.reason, refused.value.limit) == (Refusal.TOO_LARGE, 5)


def test_a_file_that_grows_while_it_is_read_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fstat

    def small(fd: int) -> os.stat_result:
        with (root / "src/index.md").open("ab") as file:
            found = real(fd)
            file.write(b"x" * 2 * LIMIT)
        return found

    monkeypatch.setattr(guest_files.os, "fstat", small)
    with pytest.raises(GuestFileError) as refused:
        read_file(root, "src/index.md", limit=LIMIT)
    assert refused.value.reason is Refusal.TOO_LARGE


def test_no_descriptor_stays_open(root: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for name in ("src/index.md", "src", "none", "src/none/none", "src/index.md/x"):
        for _ in range(3):
            try:
                with open_file(root, name, limit=LIMIT):
                    pass
            except GuestFileError:
                pass
    assert [entry.path for entry in walk(root, max_entries=9)] == ["src", "src/index.md"]
    assert count() == before


def test_a_walk_tells_links_and_fifos_and_follows_none(root: Path) -> None:
    (root / "loop").symlink_to(".")
    os.mkfifo(root / "pipe")
    found = {entry.path: entry for entry in walk(root, max_entries=100)}
    assert sorted(found) == ["loop", "pipe", "src", "src/index.md"]
    assert [path for path, entry in found.items() if entry.is_file] == ["src/index.md"]
    assert [path for path, entry in found.items() if entry.is_folder] == ["src"]
    with pytest.raises(GuestFileError):
        list(walk(root, "loop", max_entries=100))
    assert list(walk(root, "none", max_entries=100)) == []


def test_a_walk_ends_at_its_limits(root: Path) -> None:
    for number in range(50):
        (root / "src" / f"{number}.md").write_text("12345")
    with pytest.raises(GuestFileError) as many:
        list(walk(root, max_entries=20))
    assert (many.value.reason, many.value.limit) == (Refusal.TOO_MANY, 20)
    with pytest.raises(GuestFileError) as large:
        list(walk(root, max_entries=100, max_bytes=200))
    assert (large.value.reason, large.value.limit) == (Refusal.TOO_LARGE, 200)


def test_a_walk_ends_at_its_depth(root: Path) -> None:
    inner = os.open(root, os.O_RDONLY)
    for _ in range(guest_files.MAX_DEPTH + 5):
        os.mkdir("d", dir_fd=inner)
        following = os.open("d", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = following
    os.close(inner)
    with pytest.raises(GuestFileError) as deep:
        list(walk(root, max_entries=10_000))
    assert deep.value.reason is Refusal.TOO_DEEP


def test_a_held_folder_stays_the_same_when_a_link_takes_its_place(root: Path) -> None:
    with held(root, "src") as folder:
        (root / "src").rename(root / "old")
        (root / "src").symlink_to(root.parent)
        assert (folder / "index.md").read_text() == "# Home" and not (folder / "secret").exists()
    for name in ("src", "src/site", "missing"):
        with pytest.raises(GuestFileError), held(root, name):
            pass
    with held(root, "") as folder:
        assert folder == root


def test_a_walk_enters_no_skipped_folder(root: Path) -> None:
    (root / "src" / "node_modules").mkdir()
    (root / "src" / "node_modules" / "i.js").write_text("x")
    assert {e.path for e in walk(root, max_entries=9, skipped={"node_modules"})} == {
        "src",
        "src/index.md",
        "src/node_modules",
    }
