"""Plays the attacker on a site: from the agent's shell, and from the site's build script."""

import base64
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from sitewright.local.machine.service_environment import TASK_SECRET_KEY
from tests.support.e2e.stack_driver import Json, Sent, Site
from tests.support.image.container_stack import ContainerStack

MODEL_KEY = "sk-ant-marked-for-the-tests-5c1d7a"
"""What the site's secret holds. The demo model takes any key."""

_TASK_TOKEN = r'_TASK_TOKEN\\*",\s*\\*"Value\\*":\s*\\*"([^"\\]{20,})'
"""In the parameters of RunTask, as the history keeps them."""


@dataclass(frozen=True)
class Loot:
    """What an attack printed, as a visitor of the site gets it, and the run it was part of."""

    sent: Sent
    answer: Json
    text: str

    def json(self) -> Any:
        """The text as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Attacker:
    """Somebody who decides what the agent runs, or what the site's build runs."""

    containers: ContainerStack
    site: Site

    def in_shell(self, command: str, *, after: Sent | None = None) -> Loot:
        """Has the agent run a command. Its output is published with the site."""
        name = f"loot-{uuid.uuid4().hex[:8]}.txt"
        return self._run(f"mkdir -p public; ({command}) > public/{name} 2>&1; true", name, after)

    def in_build(self, command: str, *, after: Sent | None = None) -> Loot:
        """Has the site's build run a command. Its output is published with the site."""
        name = f"loot-{uuid.uuid4().hex[:8]}.txt"
        return self._run(f"printf '%s' '({command}) > dist/{name} 2>&1; true' > attack", name, after)

    def tell(self, command: str, *, after: Sent | None = None, seconds: float = 180) -> tuple[Sent, Json]:
        """Has the agent run a command, and returns the response."""
        ids = {"session": after.session_id, "thread": after.thread} if after else {}
        return self.site.run(f"Run the command: `{command}`", seconds=seconds, **ids)

    def _run(self, command: str, name: str, after: Sent | None) -> Loot:
        sent, answer = self.tell(command, after=after)
        assert answer["deploySuccess"] is True, f"the attack's output was not published: {answer}"
        return Loot(sent, answer, self.site.page(f"/{name}"))

    def edit_goes_live(self, after: Sent | None = None) -> Sent:
        """Sends an ordinary edit, and asserts that it is answered, live and pushed."""
        heading = f"All is well {uuid.uuid4().hex[:6]}"
        ids = {"session": after.session_id, "thread": after.thread} if after else {}
        sent, answer = self.site.run(f'Add a new heading saying "{heading}" to the about page', seconds=180, **ids)
        assert answer["success"] is True, answer
        assert heading in self.site.page("/about.html")
        assert self.site.git("rev-parse", f"thread-{sent.thread}") == answer["commit"]
        return sent

    def secrets(self, *runs: Sent) -> dict[str, str]:
        """Every secret that the runs' workspaces have, by name."""
        token = self.site.stack.git_token
        found = {
            "git token": token,
            "git token in a header": base64.b64encode(f"x-access-token:{token}".encode()).decode().rstrip("="),
            "model key": MODEL_KEY,
            "secret key of the task role": TASK_SECRET_KEY,
        }
        for run in runs:
            found |= {f"task token {token[:12]}": token for token in self._task_tokens(run)}
        return found

    def leaked(self, text: str, *runs: Sent) -> list[str]:
        """The names of the secrets in a text."""
        return [name for name, secret in self.secrets(*runs).items() if secret in text]

    def _task_tokens(self, run: Sent) -> set[str]:
        client = self.site.stack.client("stepfunctions")
        history = client.get_execution_history(executionArn=self.site.execution_arn(run), maxResults=1000)
        parameters = [
            e["taskScheduledEventDetails"]["parameters"] for e in history["events"] if "taskScheduledEventDetails" in e
        ]
        return {token for text in parameters for token in re.findall(_TASK_TOKEN, text)}

    def mark_secrets(self) -> None:
        """Gives the site a model key that a search finds. Before the first command."""
        secrets = self.site.stack.client("secretsmanager")
        secrets.put_secret_value(SecretId=f"sitewright/{self.site.client_id}/model-key", SecretString=MODEL_KEY)
