"""node_modules: unpacked from an archive in S3 if one of the same lock file is there, else installed and archived.

An archive unpacks in seconds; `npm ci` takes ten times that, and a registry.
"""

import hashlib
import platform
import shutil
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import zstandard
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from contracts.names import modules_key
from workspace.context import ChildResult, StepContext

FOLDER = "node_modules"
_MARK = ".sitewright-modules"
"""In node_modules: the key these were installed for."""

_LOCKFILES = ("npm-shrinkwrap.json", "package-lock.json")
"""In npm's order of precedence."""

_CI = ("npm", "ci", "--include=dev", "--no-audit", "--no-fund")
_INSTALL = ("npm", "install", "--include=dev", "--no-audit", "--no-fund", "--no-package-lock")

Run = Callable[..., ChildResult]


@dataclass(frozen=True)
class Modules:
    """Sees to the checkout's node_modules."""

    ctx: StepContext
    run: Run
    """Runs a program in the checkout: `run(argv, on_line=...)`."""

    def provide(self) -> ChildResult | None:
        """Makes node_modules what the lock file says; the result of npm if it had to run.

        Raises StepStopped, Fenced, TimeoutError, OSError (no npm).
        """
        key = self._key()
        if key is None:
            self.ctx.progress("Installing packages (no lock file)")
            return self.run(_INSTALL)
        if self._installed_for() == key:
            return None
        self.ctx.progress("Unpacking the site's packages")
        if self._restore(key):
            return None
        self.ctx.progress("Installing packages")
        done = self.run(_CI)
        if done.returncode == 0 and self._folder.is_dir():
            (self._folder / _MARK).write_text(key)
            self._save(key)
        return done

    @property
    def _folder(self) -> Path:
        return self.ctx.paths.site / FOLDER

    def _key(self) -> str | None:
        for name in _LOCKFILES:
            path = self.ctx.paths.site / name
            if path.is_file():
                version: list[str] = []
                self.run(("node", "--version"), on_line=version.append)
                major = "".join(version).strip().partition(".")[0]
                digest = hashlib.sha256(path.read_bytes())
                digest.update(f"\n{major}\n{sys.platform}-{platform.machine()}".encode())
                return modules_key(self.ctx.settings.client_id, digest.hexdigest())
        return None

    def _installed_for(self) -> str | None:
        try:
            return (self._folder / _MARK).read_text()
        except OSError:
            return None

    def _restore(self, key: str) -> bool:
        bucket = self.ctx.settings.artifacts_bucket
        try:
            body = self.ctx.aws.s3.get_object(Bucket=bucket, Key=key)["Body"]
        except (ClientError, BotoCoreError) as error:
            self.ctx.log("no archive of node_modules", key=key, error=str(error))
            return False
        staging = self.ctx.paths.tmp / "modules"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            with (
                zstandard.ZstdDecompressor().stream_reader(cast(IO[bytes], body)) as stream,
                tarfile.open(fileobj=stream, mode="r|") as tar,
            ):
                for member in tar:
                    self.ctx.fence.check_stop()
                    tar.extract(member, staging, filter="data")
            if (staging / FOLDER / _MARK).read_text() != key:
                raise ValueError("it is of another lock file")
            _remove(self._folder)
            shutil.move(staging / FOLDER, self._folder)
        except (tarfile.TarError, zstandard.ZstdError, BotoCoreError, EOFError, OSError, ValueError) as error:
            self.ctx.log("the archive of node_modules cannot be used", level="warning", key=key, error=str(error))
            return False
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return True

    def _save(self, key: str) -> None:
        archive = self.ctx.paths.tmp / "node_modules.tar.zst"
        try:
            self.ctx.paths.tmp.mkdir(parents=True, exist_ok=True)
            with (
                archive.open("wb") as file,
                zstandard.ZstdCompressor(level=3, threads=-1).stream_writer(file) as stream,
                tarfile.open(fileobj=stream, mode="w|") as tar,
            ):
                tar.add(self._folder, FOLDER, filter=self._member)
            self.ctx.fence.verify()
            self.ctx.aws.s3.upload_file(str(archive), self.ctx.settings.artifacts_bucket, key)
        except (Boto3Error, ClientError, BotoCoreError, tarfile.TarError, OSError) as error:
            self.ctx.log("node_modules could not be archived", level="warning", key=key, error=str(error))
        finally:
            archive.unlink(missing_ok=True)

    def _member(self, entry: tarfile.TarInfo) -> tarfile.TarInfo:
        self.ctx.fence.check_stop()
        return entry


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
