"""The parts of a run that find errors."""

from enum import StrEnum


class ErrorSource(StrEnum):
    """The part of a run that finds an error."""

    INTAKE = "intake"
    AGENT = "agent or repair step"
    BUILD = "build step"
    JUDGE = "build step, before a publish"
    RECORD_SYNC = "record_sync"
    GIT = "any step that reaches the git host"
    PUSH = "push step"
    HOST = "build step, before a publish; push step"
    WORKSPACE = "workspace"
    RUN = "run"
    ANY = "any"
