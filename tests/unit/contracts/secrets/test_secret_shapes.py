"""What looks like a secret is masked, and nothing else."""

import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.secrets.secret_shapes import masked, secrets_in

SECRETS = {
    "sk-ant-api03-" + "aB3_-" * 18 + "xyzAA": "sk-a***",
    "sk-ant-an-invented-key-of-the-agent": "sk-a***",
    "sk-proj-" + "aB3_-" * 20: "sk-p***",
    "ghp_" + "aB3" * 12: "ghp_***",
    "ghs_123456_0." + "t0ken" * 60: "ghs_***",
    "github_pat_" + "aB3_" * 20: "gith***",
    "glpat-" + "aB3-" * 5: "glpa***",
    "npm_" + "aB3" * 12: "npm_***",
    "AKIAIOSFODNN7EXAMPLE": "AKIA***",
    "AIza" + "aB3-_" * 7: "AIza***",
    "xoxb-1234567890-1234567890-abc": "xoxb***",
    "sk_live_" + "aB3" * 8: "sk_l***",
    "eyJhbGciOiJIUzI1NiJ9xx.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mB92K27": "eyJh***",
}


@pytest.mark.parametrize(("secret", "shown"), SECRETS.items())
@pytest.mark.parametrize("frame", ["{}", "TOKEN={}", 'the key is "{}".', "({})", "a\\n{}\\nb", "{},{}"])
def test_a_secret_is_masked_wherever_it_stands(secret: str, shown: str, frame: str) -> None:
    text = masked(frame.format(secret, secret))
    assert secret not in text and secret[5:-2] not in text
    assert shown in text


def test_the_rest_of_the_text_stays() -> None:
    assert masked("before ghp_" + "a" * 36 + ", after") == "before ghp_***, after"
    assert masked("https://amelia:hunter22@example.com/x") == "https://amelia:***@example.com/x"
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert masked(f'"aws_secret_access_key": "{secret}"') == '"aws_secret_access_key": "***"'


@pytest.mark.parametrize(
    "text",
    [
        "CMS_TOKEN={}",
        'apiKey: "{}",',
        "process.env.CLIENT_SECRET => '{}'",
        "Authorization: Bearer {}",
        "db_password = {}\n",
        '"access_token":"{}"',
    ],
)
def test_an_invented_key_is_masked_by_the_name_beside_it(text: str) -> None:
    key = "x7Qp2mZk9Lw4Tn8Rv1Bs"
    assert masked(text.format(key)) == text.format("***")


@pytest.mark.parametrize("pkcs8", [True, False])
def test_a_private_key_is_masked_whole_and_line_by_line(pkcs8: bool) -> None:
    kinds = serialization.PrivateFormat
    pem = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            kinds.PKCS8 if pkcs8 else kinds.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode()
    )
    *lines, last = pem.splitlines()[1:-1]
    for text in (masked(f"x {pem} y"), masked(pem[: len(pem) // 2]), masked(pem.replace("\n", "\\n"))):
        assert not [line for line in lines if line in text]
    assert masked(f"x {pem.strip()} y").endswith("*** y")
    assert [masked(line) for line in lines] == ["***"] * len(lines)


@pytest.mark.parametrize(
    "text",
    [
        "src/pages/index.astro",
        "commit 5f3c1d0a9b8e7f6a5d4c3b2a1908f7e6d5c4b3a2",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha512-NiSupZ4OeuGwr68lGIeym/ksIZMJodUGOSCZ/FSnTxcrekbvqrgdUxlJOMpijaKZVjAJrWrGs/6Jy8OMuyj9ow==",
        "class sk-circle-fade-dot and sk-folding-cube",
        "arn:aws:states:us-west-2:123456789012:execution:sitewright-amelia:c-1-0123456789",
        "https://example.com:8443/a@b",
        "the ghp_ prefix, AKIA and npm_config_registry",
        'store {"privateKey": "-----BEGIN RSA PRIVATE KEY-----…"} in it',
        "task-lists, disk-antialiasing-of-the-site",
        "token: src/components/Token3List.astro:14:7",
        "Unexpected token: expected-closing-tag-but-got-eof",
        "secret: thread-cms-token-of-the-bakery",
        "design tokens: aaaaaaaaaaaaaaaaaaaaaaaa1",
        "the key x7Qp2mZk9Lw4Tn8Rv1Bs of the object",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


def test_a_long_line_takes_no_time() -> None:
    began = time.process_time()
    for unit in (
        "sk-ant",
        "https://a",
        "-----BEGIN PRIVATE KEY-----",
        "ey",
        "aws_secret_access_key ",
        "\n",
        " ",
        "token",
        "token: ",
        "secret=a1",
    ):
        masked(unit * (200_000 // len(unit)))
    assert time.process_time() - began < 2


def test_an_errors_message_is_masked() -> None:
    error = ErrorInfo.of(ErrorCode.BUILD_FAILED, "Error: bad key ghp_" + "a" * 36)
    assert error.message == "Error: bad key ghp_***"


def test_what_a_site_may_show_and_examples_are_no_reason_to_refuse_an_edit() -> None:
    for text in (
        "AKIAIOSFODNN7EXAMPLE",
        "AIza" + "aB3-_" * 7,
        "eyJhbGciOiJIUzI1NiJ9xx.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mB92K27",
        "ghp_" + "x" * 36,
        "pk_live_" + "aB3dE" * 5,
        "https://amelia:hunter22@example.com/x",
    ):
        assert secrets_in(f"see {text} here") == [], text


def test_surely_secret_is_what_opens_a_door() -> None:
    key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    token, body = "ghp_" + "aB3dE6" * 6, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
    text = (
        f"token={token}\naws_secret_access_key = {key}\n-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    )
    assert secrets_in(text) == [token, f"aws_secret_access_key = {key}", body]
