"""The error of a site that cannot be built."""

from sitewright.contracts.error_codes import ErrorCode
from workspace.build.failure_cause import BuildPart


class BuildFailed(Exception):
    """The site cannot be built; the text says why."""

    def __init__(
        self,
        message: str,
        part: BuildPart = BuildPart.BUILD,
        *,
        returncode: int = 0,
        log: str = "",
        code: ErrorCode = ErrorCode.BUILD_FAILED,
    ) -> None:
        super().__init__(message)
        self.part = part
        self.returncode = returncode
        self.log = log
        self.code = code
