"""Finds the registered site of a client."""

from dataclasses import dataclass

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from sitewright.contracts.names import SITE_PARAMETER_PREFIX
from sitewright.contracts.records import SiteEntry
from sitewright.retry import error_code

CACHE_SECONDS = 60


@dataclass(frozen=True)
class SiteRegistry:
    """The SSM parameters that the site stacks write. Powertools reads each once a minute."""

    parameters: SSMProvider

    def find(self, client_id: str) -> SiteEntry | None:
        """Returns the client's site; None for an unknown client, who is asked for again each time.

        Raises GetParameterError, if SSM does not answer.
        """
        try:
            value = self.parameters.get(f"{SITE_PARAMETER_PREFIX}{client_id}", max_age=CACHE_SECONDS)
        except GetParameterError as error:
            # Powertools keeps SSM's own error as the context only.
            if error.__context__ is None or error_code(error.__context__) != "ParameterNotFound":
                raise
            return None
        return SiteEntry.model_validate_json(str(value))
