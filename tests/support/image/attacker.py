"""Plays the attacker on a site: from the agent's shell, and from the site's build script."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from tests.support.e2e.stack_driver import Json, Sent, Site
from tests.support.image.container_stack import ContainerStack
from tests.support.secrets.marked_secrets import fixed_secrets, task_tokens


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

    def leaked(self, text: str, *runs: Sent) -> list[str]:
        """The names of the secrets in a text: those that every run has, and the task tokens of these runs."""
        tokens = {token for run in runs for token in task_tokens(run, self.site)}
        secrets = fixed_secrets(self.site) | {f"task token {token[:12]}": token for token in tokens}
        return [name for name, secret in secrets.items() if secret in text]
