"""`Ref` of a secret in a template is its ARN on AWS; MiniStack answers its name, which no policy can name."""

from typing import Any

from ministack.services import secretsmanager  # type: ignore[import-untyped]
from ministack.services.cloudformation import provisioners  # type: ignore[import-untyped]


def install() -> None:
    """Makes the ARN the physical id of a secret."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def arn(made: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
        return made[1]["Arn"], made[1]

    handlers["create"] = lambda *given: arn(create(*given))
    handlers["update"] = lambda secret, *given, **named: arn(update(_name(secret), *given, **named))
    handlers["delete"] = lambda secret, *given: delete(_name(secret), *given)


def _name(arn: str) -> Any:
    return next((name for name, secret in secretsmanager._secrets.items() if secret["ARN"] == arn), arn)
