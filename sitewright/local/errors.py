"""The exceptions of the local stack. Each carries a message and a remedy, and the CLI prints both."""

from pathlib import Path


class LocalError(Exception):
    """Base: a message of one line, and a remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class NotRunning(LocalError):
    """No local stack runs, or a service of it is down."""

    def __init__(self, message: str = "No local stack is running.") -> None:
        super().__init__(message, "Start it with `sitewright up`.")


class ServiceFailed(LocalError):
    """A service of the local stack ended or did not answer in time. `tail` is the end of its log."""

    def __init__(self, name: str, message: str, log: Path, tail: str) -> None:
        super().__init__(f"{name}: {message}", f"Read {log}; then run `sitewright up` again.")
        self.name = name
        self.tail = tail


class DeployFailed(LocalError):
    """`cdk` ended with an error. `tail` is the end of its output."""

    def __init__(self, command: str, returncode: int, log: Path, tail: str) -> None:
        super().__init__(
            f"`cdk {command}` ended with exit code {returncode}.",
            f"Correct what the output says ({log}) and run `sitewright up` again.",
        )
        self.tail = tail


class NoEngine(LocalError):
    """`--runtime docker` was asked for, and neither Docker nor Podman answers."""


class ImageFailed(LocalError):
    """The workspace image cannot be built, or a container of it cannot run. `tail` is the end of the output."""

    def __init__(self, message: str, remedy: str, tail: str = "") -> None:
        super().__init__(message, remedy)
        self.tail = tail


class Interrupted(LocalError):
    """Ctrl-C or SIGTERM in the middle of `up` or of a rollback."""


class BadSiteRepository(LocalError):
    """`--site-repo` cannot be cloned, or has no site that npm can build."""


class BadSetting(LocalError):
    """An option or environment variable has a value that cannot be used."""
