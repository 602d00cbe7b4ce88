"""Parses the environment of a function, once."""

import os
from functools import cache

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """The settings of all functions. Each function has only some of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    INPUT_QUEUE_URL: str = ""
    INPUT_DLQ_URL: str = ""
    RESPONSE_QUEUE_URL: str = ""
    ANSWER_MACHINE_ARN: str = ""
    SESSIONS_TABLE: str = ""
    COMMANDS_TABLE: str = ""
    DEPLOYMENTS_TABLE: str = ""
    SPENDING_TABLE: str = ""
    ARTIFACTS_BUCKET: str = ""
    WORKSPACE_SUBNETS: str = ""
    """Ids, separated by commas."""
    WORKSPACE_SECURITY_GROUP: str = ""
    CLUSTER: str = ""

    def need(self, name: str) -> str:
        """Returns a required setting. Raises RuntimeError, with the setting's name and the remedy, if it is missing."""
        value = getattr(self, name)
        if not value:
            raise RuntimeError(f"environment variable {name} is not set: deploy the platform stack again")
        return str(value)


@cache
def settings() -> Settings:
    """Returns the settings of this process."""
    return Settings.model_validate(dict(os.environ))
