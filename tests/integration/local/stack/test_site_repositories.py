"""`--site-repo`: what can be a site's repository, and what never reaches the disk."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from sitewright.local.errors import BadSiteRepository, LocalError
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.site_repositories import checked_source, ensure_repository, without_credentials
from sitewright.local.stack.stack_control import StackOptions, up

BUILDS = json.dumps({"scripts": {"build": "mkdir -p dist && echo hello > dist/index.html"}})
SECRET = "ghp_0123456789"


def repository(folder: Path, files: dict[str, str], branch: str = "master") -> Path:
    folder.mkdir(parents=True)
    run = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@localhost"]
    subprocess.run([*run, "init", "--quiet", "--initial-branch", branch], check=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    if files:
        subprocess.run([*run, "add", "--all"], check=True)
        subprocess.run([*run, "commit", "--quiet", "-m", "First"], check=True)
    return folder


@pytest.mark.parametrize("name", ["site", "my own site"])
def test_a_site_on_master_is_taken(tmp_path: Path, name: str) -> None:
    source = repository(tmp_path / name, {"package.json": BUILDS})
    ensure_repository(tmp_path / "a.git", checked_source(str(source)))
    head = (tmp_path / "a.git" / "HEAD").read_text()
    assert head.strip() == "ref: refs/heads/master"
    assert str(source) not in (tmp_path / "a.git" / "config").read_text()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no commit"),
        ({"README.md": "hello"}, "no package.json"),
        ({"package.json": "{"}, "no script `build`"),
        ({"package.json": "[]"}, "no script `build`"),
        ({"package.json": json.dumps({"scripts": {"build": ""}})}, "empty script"),
    ],
    ids=["empty", "no package.json", "no json", "a list", "an empty script"],
)
def test_what_is_no_site_is_one_clear_line(tmp_path: Path, files: dict[str, str], says: str) -> None:
    source = repository(tmp_path / "source", files)
    with pytest.raises(BadSiteRepository) as caught:
        ensure_repository(tmp_path / "a.git", checked_source(str(source)))
    assert says in caught.value.message
    assert "\n" not in caught.value.message + caught.value.remedy
    assert not (tmp_path / "a.git").exists()


@pytest.mark.parametrize("kind", ["a folder", "nothing"])
def test_a_path_that_is_no_repository(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "a folder":
        path.mkdir()
    with pytest.raises(BadSiteRepository) as caught:
        ensure_repository(tmp_path / "a.git", checked_source(str(path)))
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@host.example/site.git",
        f"https://{SECRET}@host.example/site.git",
        f"http://:{SECRET}@host.example/site.git",
        f"ssh://git:{SECRET}@host.example/site.git",
        f"https://user:{SECRET}/x@host.example/site.git",
        f"https://user:{SECRET}@[host/site.git",
    ],
)
def test_credentials_are_refused_before_anything_is_written(tmp_path: Path, url: str) -> None:
    home, said = Home(tmp_path / "home"), list[str]()
    with pytest.raises(LocalError) as caught:
        up(home, StackOptions("bruno", url, "process"), said.append)
    assert SECRET not in caught.value.message + caught.value.remedy + "".join(said)
    for folder, _, names in os.walk(home.root):
        assert not [name for name in names if SECRET in (Path(folder) / name).read_text(errors="replace")]


@pytest.mark.parametrize("url", ["ssh://git@host/x.git", "git@host:x.git", "https://host/x.git", "file:///srv/x.git"])
def test_urls_without_a_secret_are_taken_as_they_are(url: str) -> None:
    assert checked_source(url) == url


def test_a_path_is_written_down_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checked_source("./site") == str(tmp_path / "site")
    assert checked_source("~/site") == str(tmp_path / "site")


def test_credentials_of_an_older_state_are_masked() -> None:
    assert without_credentials(f"https://u:{SECRET}@host/x") == "https://***@host/x"
    assert without_credentials("https://host/x@y") == "https://host/x@y"
