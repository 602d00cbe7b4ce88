"""The GitHub App's secret in the forms that people paste, and the JWT that its key signs."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from workspace.credentials.app_jwt import sign_jwt
from workspace.credentials.app_secret import AppSecret, parse_app

from sitewright.contracts.secrets.secret_text import SecretTextError
from tests.support.workspace.github_double import APP_ID, new_key, pem

KEY = new_key()
PEM = pem(KEY)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"appId": APP_ID, "privateKey": PEM}),
        json.dumps({"appId": int(APP_ID), "privateKey": PEM}, indent=2),
        json.dumps({"app_id": APP_ID, "private_key": PEM.strip(), "note": "made by Sam"}),
        json.dumps({"client-id": APP_ID, "PRIVATE KEY": PEM.replace("\n", "\r\n")}),
        json.dumps({"appId": f" {APP_ID}\n", "privateKey": PEM.replace("\n", " ")}),
        json.dumps({"appId": APP_ID, "privateKey": PEM.replace("\n", "\\n")}),
        json.dumps({"appId": APP_ID, "privateKey": base64.b64encode(PEM.encode()).decode()}),
        json.dumps({"appId": APP_ID, "privateKey": pem(KEY, pkcs8=True)}),
        f'{{"appId": "{APP_ID}", "privateKey": "{PEM}"}}',
    ],
)
def test_an_app_signs_with_the_key_that_was_pasted(text: str) -> None:
    app = parse_app(text)
    head, claims, signature = sign_jwt(app, 1_800_000_000.7).split(".")
    KEY.public_key().verify(decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT"}
    found = json.loads(decoded(claims))
    assert found == {"iss": APP_ID, "iat": 1_799_999_940, "exp": 1_800_000_540}
    assert found["exp"] - 1_800_000_000 < 600, "GitHub takes at most ten minutes"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        (PEM, "is the private key alone"),
        ("ghp_abcdefgh", "is no JSON"),
        ("[1]", "is no JSON object"),
        (json.dumps({"privateKey": PEM}), "has no appId"),
        (json.dumps({"appId": None, "privateKey": PEM}), "has no appId"),
        (json.dumps({"appId": "not an id", "privateKey": PEM}), "neither a number nor a client id"),
        (json.dumps({"appId": APP_ID}), "has no privateKey"),
        (json.dumps({"appId": APP_ID, "privateKey": "MIIE"}), "no PEM text"),
        (json.dumps({"appId": APP_ID, "privateKey": PEM[:400]}), "no PEM text"),
        (json.dumps({"appId": APP_ID, "privateKey": PEM.replace("RSA PRIVATE", "ENCRYPTED PRIVATE")}), "passphrase"),
    ],
)
def test_anything_else_is_told_without_the_key(text: str, told: str) -> None:
    with pytest.raises(SecretTextError) as refused:
        parse_app(text)
    assert told in str(refused.value)
    assert PEM[100:120] not in str(refused.value) and "ghp_" not in str(refused.value)


def test_a_key_that_cannot_sign_is_told() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    lines = PEM.splitlines()
    cut = "\n".join([*lines[:5], *lines[9:]])
    for key in (curve.decode(), cut):
        with pytest.raises(SecretTextError, match="no RSA key, or not all of it"):
            sign_jwt(AppSecret(APP_ID, key), 0)


def test_the_key_is_not_in_the_apps_text() -> None:
    assert "PRIVATE" not in repr(AppSecret(APP_ID, PEM))
