"""Signs the session's commits with the site's key, if it has one: before a build, before a push, after an interruption."""

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.names import store_secret
from sitewright.contracts.secrets.secret_text import SecretTextError
from workspace.credentials.signing_key import SigningKey
from workspace.errors import GitError, StepFailed
from workspace.repository.host_rules.signed_commits import sign_unsent
from workspace.step_context import StepContext


def sign_commits(ctx: StepContext) -> str | None:
    """Signs the commits that the git host does not have. Returns the new head; None if nothing changed.

    Raises StepFailed (PUSH_UNSIGNED: there is no usable key), GitError, TimeoutError.
    """
    secret = ctx.settings.signing_key_secret
    if secret is None:
        return None
    head = sign_unsent(ctx.checkout, _key(ctx, secret).sign)
    if head is not None:
        ctx.log("commits signed", commit=head)
    return head


def try_to_sign(ctx: StepContext) -> str | None:
    """Signs like `sign_commits`, and logs an error: the push signs too, and tells."""
    try:
        return sign_commits(ctx)
    except (StepFailed, GitError, TimeoutError) as error:
        ctx.log("the commits could not be signed", level="error", error=str(error)[:500])
        return None


def _key(ctx: StepContext, secret: str) -> SigningKey:
    try:
        text = ctx.aws.secret(secret)
        ctx.hide(text)
        return SigningKey.parse(text)
    except SecretTextError as error:
        why = f"The signing key {secret} {error}."
        raise StepFailed(ErrorCode.PUSH_UNSIGNED, why) from error
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else str(error)
        why = f"The signing key {secret} cannot be read: {code}. Store it: {store_secret(secret)}"
        raise StepFailed(ErrorCode.PUSH_UNSIGNED, why) from error
