"""Chooses the idle workspace that has to leave. Pure."""

from dataclasses import dataclass

from sitewright.contracts.records import SessionRecord

ASK_AGAIN_MS = 30_000
"""How long a run waits after one request before it makes the next.

The asked workspace leaves within a second. How soon Fargate then counts its vCPUs as free is not documented; a task is
stopped some 10 to 30 s after its container ended.
"""


@dataclass(frozen=True)
class Candidate:
    """A running workspace, and the session that it works for."""

    task_arn: str
    session: SessionRecord

    @property
    def is_idle(self) -> bool:
        """Whether the workspace waits for its session's next command, and nobody asked it to leave."""
        session = self.session
        return (
            session.workspace_id == self.task_arn
            and session.idle_since is not None
            and session.leave_asked_at is None
            and session.mailbox is None
            and session.serving is None
        )


def in_order_of_leaving(candidates: list[Candidate], client_id: str) -> list[Candidate]:
    """Returns the idle workspaces, the first to leave first.

    A client gives up its own idle workspaces before those of others. Among them the one leaves that has waited longest: its
    session is the least likely to get the next message.
    """
    idle = [candidate for candidate in candidates if candidate.is_idle]
    return sorted(idle, key=lambda each: (each.session.client_id != client_id, each.session.idle_since or 0))


def may_ask(asked_at: int | None, now: int) -> bool:
    """Tells whether a run may ask another workspace, `asked_at` (ms) after its last request."""
    return asked_at is None or now - asked_at >= ASK_AGAIN_MS
