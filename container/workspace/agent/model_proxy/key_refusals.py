"""Refusals of the runner's key or role by the model's API: why, and what to do. Pure.

Claude Code repeats them, because a person may sign in again meanwhile: 401 of any API, 403 of Bedrock
(https://github.com/anthropics/claude-code/issues/27241 and 28032). Nobody signs in again here, so the proxy answers
with a status that is not repeated.
"""

import json

REFUSED = frozenset({401, 403})
"""The statuses of a refusal. A limit has 429, an unknown model 404."""

SAID_BYTES = 16 * 1024
"""How much of the refusal's body is read."""

_SAID = 500
_ROLE = ("not authorized to perform", "explicit deny")
_MARKETPLACE = "marketplace"
"""Somebody with rights in the AWS Marketplace subscribes the account to a model, not the task role."""
_SIGNATURE = ("security token", "signature", "expired")


def by_anthropic(status: int, body: bytes) -> str:
    """Returns the message for a refusal of the Messages API."""
    what = "does not accept the model key" if status == 401 else "does not let the model key do this"
    return f"The model's API {what} ({status}): {_told(body)}"


def by_bedrock(status: int, body: bytes) -> str:
    """Returns the message for a refusal of Bedrock.

    Causes and wordings: Amazon Bedrock User Guide, "Request access to models" and "Troubleshooting Amazon Bedrock API
    Error Codes" (https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html).
    """
    told = _told(body)
    lower = told.lower()
    if _MARKETPLACE not in lower and any(words in lower for words in _ROLE):
        advice = (
            "The task role may not invoke this model: check that `model` and `modelRegion` of the site are right, and "
            "that no policy of the organization denies bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream."
        )
    elif any(words in lower for words in _SIGNATURE):
        advice = "The credentials of the task role were not accepted: send the command again."
    else:
        advice = (
            "The account has no access to this model yet: as an administrator open it in the model catalog of the "
            "Bedrock console, submit the use case details that Anthropic asks for, and try it there once, which "
            "subscribes the account in the AWS Marketplace. It may take 15 minutes to count."
        )
    return f"Bedrock refuses the model ({status}): {told} {advice}"


def _told(body: bytes) -> str:
    """Returns the API's own words."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        inner = parsed.get("error")
        holder = inner if isinstance(inner, dict) else parsed
        said = holder.get("message") or holder.get("Message")
        if isinstance(said, str):
            return _sentence(said)
    return _sentence(body.decode("utf-8", "replace"))


def _sentence(text: str) -> str:
    short = " ".join(text.split())[:_SAID]
    return short if short.endswith(".") else f"{short or 'no reason given'}."
