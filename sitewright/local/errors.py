"""The exceptions of the local stack. Each carries what to do about it; the CLI prints both."""

from pathlib import Path


class LocalError(Exception):
    """Base: one line that says what is wrong, and a remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class NotRunning(LocalError):
    """There is no local stack, or a part of it is down."""

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
    """`--runtime docker` where neither Docker nor Podman answers."""


class ImageFailed(LocalError):
    """The workspace image cannot be built, or no container of it runs. `tail` is the end of the output."""

    def __init__(self, message: str, remedy: str, tail: str = "") -> None:
        super().__init__(message, remedy)
        self.tail = tail


class Interrupted(LocalError):
    """Ctrl-C or SIGTERM in the middle of `up` or of a rollback."""


class BadSiteRepository(LocalError):
    """`--site-repo` names nothing that git can clone, or a repository that is no site."""


class BadSetting(LocalError):
    """A setting (option or environment variable) that cannot be used."""
