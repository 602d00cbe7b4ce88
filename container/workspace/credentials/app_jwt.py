"""The JSON Web Token with which a GitHub App introduces itself."""

import base64
import hashlib
import json

from awscrt.crypto import RSA, RSASignatureAlgorithm

from sitewright.contracts.secrets.secret_text import SecretTextError
from workspace.credentials.app_secret import AppSecret

BACKDATED_SECONDS = 60
"""GitHub refuses a token of the future, and advises this (docs, "Generating a JSON Web Token for a GitHub App")."""

LIFETIME_SECONDS = 540
"""GitHub refuses an end more than 10 minutes from its own now."""


def sign_jwt(app: AppSecret, now: float) -> str:
    """Returns a JWT (RS256) of the App. `now` is GitHub's time, in seconds since 1970.

    Raises SecretTextError for a private key that cannot sign.
    """
    claims = {"iat": int(now) - BACKDATED_SECONDS, "exp": int(now) + LIFETIME_SECONDS, "iss": app.app_id}
    signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    try:
        key = RSA.new_private_key_from_pem_data(app.private_key)
        # awscrt takes the digest, not the message.
        signature = key.sign(RSASignatureAlgorithm.PKCS1_5_SHA256, hashlib.sha256(signed.encode()).digest())
    except (RuntimeError, ValueError) as error:
        raise SecretTextError(
            "has a privateKey that is no RSA key, or not all of it: paste the whole .pem file that GitHub gave you"
        ) from error
    return f"{signed}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
