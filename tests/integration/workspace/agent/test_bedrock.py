"""The real Claude Code with a site on Bedrock: the proxy signs, and no key exists."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials
from workspace.errors import StepFailed
from workspace.steps import agent_step

from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.workspace_settings import ModelProvider
from tests.support.workspace.agent_world import Notes, World, failed, make_world
from tests.support.workspace.bedrock_model import KEYS, FakeBedrock, fake_bedrock
from tests.support.workspace.fake_model import Reply, text, tool

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


class RoleOnly:
    """A task role that may read no secret."""

    region = "us-west-2"

    def __init__(self, secret_key: str = KEYS.secret_key) -> None:
        self.dynamodb = Notes()
        self._secret_key = secret_key

    def credentials(self) -> ReadOnlyCredentials:
        return ReadOnlyCredentials(KEYS.access_key, self._secret_key, KEYS.token)

    def secret(self, arn: str) -> str:
        raise AssertionError(f"{arn} was read")


def on_bedrock(root: Path, server: FakeBedrock, aws: RoleOnly, **settings: Any) -> World:
    w = make_world(
        root, None, url=server.url, model_provider=ModelProvider.BEDROCK, model_region=server.region,
        model_key_secret=None, **settings,
    )  # fmt: skip
    config = w.ctx.settings.model_copy(update={"model": MODEL})
    return replace(w, ctx=replace(w.ctx, settings=config, aws=aws))  # type: ignore[arg-type]


def test_claude_code_edits_and_each_request_is_signed_and_metered(tmp_path: Path) -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        if "tool_result" in str(body["messages"]):
            return text("Done.", output_tokens=10_000)
        return tool("Bash", {"command": "env > env.txt", "description": "x"}, output_tokens=10_000)

    with fake_bedrock(script) as server:
        w = on_bedrock(tmp_path, server, RoleOnly())
        result = agent_step.run(w.ctx)
        assert result.summary == "Done." and server.refused == []
        # 200 tokens in, 20,000 out, and Bedrock's premium for a geography.
        assert result.cost_usd == pytest.approx(1.1 * (20_000 * 15 + 200 * 3) / 1e6)
        assert set(server.targets) == {f"/model/{MODEL.replace(':', '%3A')}/invoke-with-response-stream"}
        assert not any(name.lower().startswith("x-api-key") for sent in server.headers for name in sent)
        seen = (w.ctx.paths.site / "env.txt").read_text()
        assert KEYS.secret_key not in seen and KEYS.token not in seen and "AWS_" not in seen


def test_a_command_on_bedrock_ends_at_its_budget(tmp_path: Path) -> None:
    # Claude Code's own prices have no premium for a geography. So it sees 0.45 of 0.47 USD used, and asks once more.
    def script(_: dict[str, Any], number: int) -> Reply:
        return tool("Bash", {"command": f"echo {number}", "description": "x"}, output_tokens=30_000)

    with fake_bedrock(script) as server:
        assert failed(on_bedrock(tmp_path, server, RoleOnly(), max_budget_usd=0.47)) is ErrorCode.BUDGET_EXCEEDED
        assert len(server.targets) == 1


REFUSALS = {
    "User: arn:aws:sts::1:assumed-role/task/x is not authorized to perform: bedrock:InvokeModelWithResponseStream on "
    "resource: arn:aws:bedrock:eu-central-1:1:inference-profile/x because no identity-based policy allows it": (
        "bedrock:InvokeModel"
    ),
    "You don't have access to the model with the specified model ID.": "use case details",
}


@pytest.mark.parametrize(("said", "advice"), REFUSALS.items())
def test_a_refusal_of_bedrock_is_told_at_once_with_what_to_do(tmp_path: Path, said: str, advice: str) -> None:
    with fake_bedrock(lambda *_: text("never")) as server:
        server.refuses = said
        with pytest.raises(StepFailed) as caught:
            agent_step.run(on_bedrock(tmp_path, server, RoleOnly()).ctx)
        error = caught.value.error
        assert (error.code, len(server.refused)) == (ErrorCode.MODEL_REJECTED, 1), "it was asked more than once"
        assert said.rstrip(".") in error.message and advice in error.message


def test_a_signature_that_bedrock_refuses_is_model_rejected(tmp_path: Path) -> None:
    with fake_bedrock(lambda *_: text("never")) as server:
        assert failed(on_bedrock(tmp_path, server, RoleOnly("another"))) is ErrorCode.MODEL_REJECTED
        assert server.refused == ["SignatureDoesNotMatch"]
