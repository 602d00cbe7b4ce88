"""The environment of a function, parsed once."""

import os
from functools import cache

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Every setting any function has; a function that reads one it was not given fails with its name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    INPUT_DLQ_URL: str = ""
    RESPONSE_QUEUE_URL: str = ""
    SESSIONS_TABLE: str = ""
    COMMANDS_TABLE: str = ""
    DEPLOYMENTS_TABLE: str = ""
    ARTIFACTS_BUCKET: str = ""

    def need(self, name: str) -> str:
        """A setting that must be there. Raises RuntimeError with its name and the remedy."""
        value = getattr(self, name)
        if not value:
            raise RuntimeError(f"environment variable {name} is not set: deploy the platform stack again")
        return str(value)


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.model_validate(dict(os.environ))
