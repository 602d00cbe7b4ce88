"""The ids of models at Amazon Bedrock, and the resources that a permission names for them. Pure."""

import re
from dataclasses import dataclass

_ID = re.compile(r"(?:(?P<geography>[a-z-]{2,8})\.)?(?P<model>anthropic\.claude-[a-z0-9-]+(?::\d+)?)")
_ARN = re.compile(
    r"arn:[a-z-]+:bedrock:[a-z0-9-]+:\d{12}:(?:inference-profile/(?:[a-z-]{2,8}\.)?(?P<model>anthropic\.claude-[a-z0-9-]+(?::\d+)?)"
    r"|application-inference-profile/[a-z0-9]+)"
)


@dataclass(frozen=True)
class BedrockModel:
    """A model as a site's setting names it."""

    profile: str | None
    """Id or ARN of the inference profile; None for a model that is invoked directly."""
    model: str
    """Id of the foundation model; `*` if the profile does not tell it."""

    def profile_arn(self, partition: str, region: str, account: str) -> str | None:
        """Returns the profile's ARN; None without a profile."""
        if self.profile is None or self.profile.startswith("arn:"):
            return self.profile
        return f"arn:{partition}:bedrock:{region}:{account}:inference-profile/{self.profile}"

    def model_arn(self, partition: str, region: str) -> str:
        """Returns the foundation model's ARN. A profile sends requests to several regions."""
        return f"arn:{partition}:bedrock:{region if self.profile is None else '*'}::foundation-model/{self.model}"


def model_resource(model: str) -> BedrockModel | None:
    """Returns what an id or ARN names: anthropic.…, us.anthropic.…, an inference profile's ARN; None for others."""
    if match := _ID.fullmatch(model):
        return BedrockModel(model if match["geography"] else None, match["model"])
    if match := _ARN.fullmatch(model):
        return BedrockModel(model, match["model"] or "*")
    return None
