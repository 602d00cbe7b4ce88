"""How a site reaches its model: the API behind the proxy, and what Claude Code is told about it."""

from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import store_secret
from sitewright.contracts.secrets.secret_text import MODEL_KEY_KEYS, SecretTextError, single_value
from sitewright.contracts.workspace_settings import ModelProvider
from workspace.agent.model_proxy.upstream import Upstream, anthropic, bedrock
from workspace.errors import StepFailed
from workspace.system.aws_clients import Clients
from workspace.system.settings import Settings


@dataclass(frozen=True)
class ModelAccess:
    """The site's model API, and its key; empty for Bedrock, which needs none."""

    upstream: Upstream
    key: str = field(repr=False)
    provider: ModelProvider
    model: str | None

    @classmethod
    def of(cls, settings: Settings, aws: Clients) -> "ModelAccess":
        """Returns the access that a site's settings describe. Raises StepFailed (MODEL_REJECTED)."""
        if settings.model_provider is ModelProvider.BEDROCK:
            region = settings.model_region or aws.region
            api = bedrock(aws.credentials, region, settings.model_base_url)
            return cls(api, "", settings.model_provider, settings.model)
        key = _key(settings.model_key_secret or "", aws)
        trusted = settings.inherited.get("NODE_EXTRA_CA_CERTS")
        return cls(anthropic(key, settings.model_base_url, trusted), key, settings.model_provider, settings.model)

    def variables(self, url: str, token: str) -> dict[str, str]:
        """Returns Claude Code's environment variables for the model, with the proxy's address and token."""
        if self.provider is ModelProvider.ANTHROPIC:
            return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": token}
        # One model for everything: the task role may invoke no other.
        model = self.model or ""
        names = ("", "DEFAULT_OPUS_", "DEFAULT_SONNET_", "DEFAULT_HAIKU_")
        return {
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",
            "ANTHROPIC_BEDROCK_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": token,
            **{f"ANTHROPIC_{name}MODEL": model for name in names},
        }


def _key(secret: str, aws: Clients) -> str:
    try:
        return single_value(aws.secret(secret), MODEL_KEY_KEYS)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        remedy = f". Store it: {store_secret(secret)}" if code == "ParameterNotFound" else ""
        raise StepFailed(ErrorCode.MODEL_REJECTED, f"The model key cannot be read: {code}{remedy}") from error
    except BotoCoreError as error:
        raise StepFailed(ErrorCode.MODEL_REJECTED, f"The model key cannot be read from {secret}: {error}") from error
    except SecretTextError as error:
        raise StepFailed(ErrorCode.MODEL_REJECTED, f"The model key's secret {error}.") from error
