"""Runs that succeed, fail, crash and are interrupted, in a site whose secrets are marked."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.support.e2e.stack_driver import Sent, Site, until
from tests.support.secrets.marked_secrets import (
    INVENTED_BY_AGENT,
    INVENTED_BY_BUILD,
    PROXY_TOKEN,
    ROLE,
    TASK_TOKEN,
    fixed_secrets,
    leaks,
    mark_model_key,
    model_tokens,
    offered_tokens,
    role_credentials,
    task_tokens,
)
from tests.support.secrets.stack_places import EventTap, Place, places

ECHO = (
    "Run the command: `env; echo $ANTHROPIC_API_KEY; printf '%s%s' {} {}; "
    "cat /proc/self/environ; git config --list --show-origin; date > public/now.txt`"
).format(*INVENTED_BY_AGENT)
"""The agent says aloud what it has."""

BREAK = 'Run the command: `echo \'throw new Error("{}" + "{}")\' >> build.mjs`'.format(*INVENTED_BY_BUILD)
"""The build says aloud what it has."""

SLOW = "Write 14 notes, one every 0.5 seconds"


@dataclass
class MarkedRuns:
    """Sends the commands, and collects what may have leaked."""

    site: Site
    processes: Callable[[Sent], Iterable[int]]
    """The pids of the session's workspace, as the host sees them."""
    kill: Callable[[Sent], None]
    """Ends the session's workspace like the loss of a host."""
    sent: list[Sent] = field(default_factory=list)
    proxy_tokens: set[str] = field(default_factory=set)
    task_tokens: set[str] = field(default_factory=set)
    role_credentials: set[str] = field(default_factory=set)

    def leaks(self) -> list[str]:
        """Does all runs, and returns which secret is where it must not be."""
        mark_model_key(self.site)
        tap = EventTap(self.site.stack, f"secrets-{self.site.client_id}")
        self._succeeds_and_fails()
        self._crashes()
        self._is_interrupted()
        secrets = fixed_secrets(self.site)
        read = ((TASK_TOKEN, self.task_tokens), (PROXY_TOKEN, self.proxy_tokens), (ROLE, self.role_credentials))
        for kind, found in read:
            assert found, f"the runs had no {kind}"
            secrets |= {f"{kind} {number}": text for number, text in enumerate(sorted(found))}
        sessions = {sent.session_id for sent in self.sent}
        found_places: list[Place] = [*tap.events(), *places(self.site, sessions)]
        kinds = {place.name.split(" ")[0] for place in found_places}
        assert {"event", "log", "execution", "history", "item", "object", "commits", "response", "task"} <= kinds, kinds
        shown = "".join(INVENTED_BY_AGENT).encode()
        seen = [place for place in found_places if place.name.startswith("transcript") and shown in place.content]
        assert seen, "the agent did not see its key"
        return leaks(found_places, secrets)

    def _send(self, instruction: str, after: Sent | None = None) -> Sent:
        ids = {"session": after.session_id, "thread": after.thread} if after else {}
        self.sent.append(self.site.send(instruction, **ids))
        return self.sent[-1]

    def _answer(self, sent: Sent) -> dict[str, object]:
        def answered() -> list[dict[str, object]]:
            # A step's token is in the session only while the step waits or is under way.
            self.task_tokens |= offered_tokens(sent, self.site)
            return self.site.stack.responses(sent.session_id, sent.command_id)

        answer = until(f"answer to {sent.command_id}", answered, seconds=180)[0]
        self.task_tokens |= task_tokens(sent, self.site)
        return answer

    def _succeeds_and_fails(self) -> None:
        first = self._send(ECHO)
        assert self._answer(first)["success"] is True
        broken = self._answer(self._send(BREAK, after=first))
        assert broken["buildSuccess"] is False and f"{INVENTED_BY_BUILD[0]}***" in json.dumps(broken), broken
        self.site.stack.git_mode(self.site.client_id, "reject-auth")
        try:
            refused = self._send('Add a new heading saying "Refused" to the about page', after=first)
            assert self._answer(refused)["pushed"] is False
        finally:
            self.site.stack.git_mode(self.site.client_id, "ok")

    def _crashes(self) -> None:
        sent = self._send(SLOW)
        self._agent_at_work(sent)
        self.kill(sent)
        self._answer(sent)

    def _is_interrupted(self) -> None:
        older = self._send(SLOW)
        self._agent_at_work(older)
        newer = self._send('Add a new heading saying "Newer" to the homepage', after=older)
        assert self._answer(newer)["success"] is True
        assert self._answer(older)["status"] == "interrupted"

    def _agent_at_work(self, sent: Sent) -> None:
        tokens = until("Claude Code runs", lambda: model_tokens(self.processes(sent)), seconds=90)
        self.proxy_tokens |= tokens
        self.role_credentials |= role_credentials(self.processes(sent))
