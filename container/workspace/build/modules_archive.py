"""The shared archive of node_modules in S3, one for each set of files that npm installs from."""

from dataclasses import dataclass
from typing import IO, cast

import zstandard
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.expiry import CACHE, tagging
from sitewright.contracts.limits import MODULES_BYTES
from workspace.build.clean_tree import FOLDER, CleanTree
from workspace.build.tarball import ArchiveError, Tarball
from workspace.step_context import StepContext


@dataclass(frozen=True)
class ModulesArchive:
    """One archive. Only a clean tree goes into it, before anything of the site's own ran over it."""

    ctx: StepContext
    key: str

    def unpack(self, tree: CleanTree) -> bool:
        """Unpacks the archive into an empty tree. Returns whether node_modules is there; logs why it is not.

        Raises StepStopped, TimeoutError.
        """
        ctx = self.ctx
        try:
            body = ctx.aws.s3.get_object(Bucket=ctx.settings.artifacts_bucket, Key=self.key)["Body"]
        except (ClientError, BotoCoreError) as error:
            ctx.log("no archive of node_modules", key=self.key, error=str(error))
            return False
        ctx.progress("Unpacking the site's packages")
        try:
            self._tarball.unpack(cast(IO[bytes], body), tree.path)
            if not tree.has_modules:
                raise ArchiveError("it has no node_modules")
        except (ArchiveError, zstandard.ZstdError, BotoCoreError, OSError) as error:
            ctx.log("the archive of node_modules cannot be used", level="warning", key=self.key, error=str(error))
            return False
        return True

    def save(self, tree: CleanTree) -> None:
        """Packs and uploads the tree's node_modules. Logs a failure: the next workspace installs again.

        Raises StepStopped, Fenced.
        """
        ctx = self.ctx
        packed = ctx.paths.scratch / "node_modules.tar.zst"
        try:
            packed.unlink(missing_ok=True)
            self._tarball.pack(packed, tree.path, (FOLDER,), limit=MODULES_BYTES)
            ctx.fence.verify()
            more = {"Tagging": tagging(CACHE)}
            ctx.aws.s3.upload_file(str(packed), ctx.settings.artifacts_bucket, self.key, ExtraArgs=more)
        except (ArchiveError, zstandard.ZstdError, Boto3Error, ClientError, BotoCoreError, OSError) as error:
            ctx.log("node_modules could not be archived", level="warning", key=self.key, error=str(error))
        finally:
            packed.unlink(missing_ok=True)

    @property
    def _tarball(self) -> Tarball:
        return Tarball(self.ctx.settings.guest, self.ctx.settings.inherited, self.ctx.fence.check_stop)
