"""A session that has begun: tests continue it, which is cheaper than a new workspace and a first command for each test."""

import uuid
from dataclasses import dataclass

from tests.support.e2e.stack_driver import Json, Sent, Site


@dataclass(frozen=True)
class OpenSession:
    """A session whose first command, which added `heading` to the homepage, is answered."""

    site: Site
    first: Sent
    answer: Json
    heading: str

    @classmethod
    def begin(cls, site: Site) -> "OpenSession":
        heading = f"Begun {uuid.uuid4().hex[:6]}"
        first, answer = site.run(f'Add a new heading saying "{heading}" to the homepage')
        assert answer["success"], answer
        return cls(site, first, answer, heading)

    @property
    def branch(self) -> str:
        return f"thread-{self.first.thread}"

    def subjects(self) -> list[str]:
        """Returns the subjects of the session's commits on the remote, newest first."""
        return self.site.subjects(self.branch)

    def send(self, instruction: str) -> Sent:
        """Sends a further command of the session."""
        return self.site.send(instruction, session=self.first.session_id, thread=self.first.thread)

    def run(self, instruction: str, *, seconds: float = 120) -> tuple[Sent, Json]:
        """Sends a further command and waits for its response."""
        sent = self.send(instruction)
        return sent, self.site.stack.response(sent, seconds=seconds)
