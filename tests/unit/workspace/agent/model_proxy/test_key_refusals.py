"""The API's own words, and the advice that belongs to them."""

import json

import pytest
from workspace.agent.model_proxy.key_refusals import by_anthropic, by_bedrock


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("User: x is not authorized to perform: bedrock:InvokeModel on resource: y", "may not invoke this model"),
        ("x with an explicit deny in a service control policy", "no policy of the organization denies"),
        ("You don't have access to the model with the specified model ID.", "submit the use case details"),
        (
            "Model access is denied due to IAM user or service role is not authorized to perform the required AWS "
            "Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe)",
            "subscribes the account in the AWS Marketplace",
        ),
        ("The security token included in the request is expired", "credentials of the task role"),
        ("The request signature we calculated does not match", "credentials of the task role"),
    ],
)
@pytest.mark.parametrize("name", ["message", "Message"])
def test_bedrocks_words_choose_the_advice(said: str, advice: str, name: str) -> None:
    told = by_bedrock(403, json.dumps({name: said}).encode())
    assert said in told and advice in told


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[" * 100_000, b'{"error": "x"}', b"\xff\xfe"])
def test_a_body_of_any_kind_is_told(body: bytes) -> None:
    for told in (by_anthropic(403, body), by_bedrock(403, body)):
        assert "(403): " in told and len(told) < 1_000
