"""ECS stops a workspace while the attacker's pipes lie where the runner reads."""

import time

from tests.support.e2e.stack_driver import until
from tests.support.image.attacker import Attacker

STOP_SECONDS = 30
"""ECS sends SIGKILL 120 s after SIGTERM (`stopTimeout`). An unloaded machine takes three."""

PIPES = (
    "test -e public/waited.txt || { mkdir -p public; date > public/waited.txt; "
    "git update-index --skip-worktree package.json; rm package.json; mkfifo package.json .npmrc public/pipe; "
    "rm -f .git/description; mkfifo .git/description; sleep 61; }; date > public/now.txt"
)
"""The step is repeated in the next workspace, which has the first line's file from the checkpoint, but no pipe."""


def test_sigterm_ends_a_workspace_in_time_while_pipes_without_a_reader_lie_in_its_checkout(shell: Attacker) -> None:
    stack = shell.containers
    sent = shell.site.send(f"Run the command: `{PIPES}`")

    def asleep() -> str | None:
        found = [name for name in stack.engine.names(stack.home) if f'"{sent.session_id}"' in stack.log(name)]
        there = found and any("sleep 61" in process.command for process in stack.processes(found[0]))
        return found[0] if there else None

    container = until("the agent waits", asleep, seconds=120)
    # The pipes are a moment older than `sleep`.
    began = time.monotonic()
    stack.engine.call(["kill", "--signal", "TERM", container])
    until("the workspace's end", lambda: not running(shell, container), seconds=STOP_SECONDS)
    assert time.monotonic() - began < STOP_SECONDS

    answer = shell.site.response(sent, seconds=180)
    assert answer["pushed"] is True, answer
    assert "public/waited.txt" in answer["filesChanged"], "the edit before the stop is lost"
    shell.edit_goes_live()


def running(attacker: Attacker, container: str) -> bool:
    """Whether the container is there, and not ended."""
    engine = attacker.containers.engine
    names = engine.call(["ps", "--filter", f"name={container}", "--format", "{{.Names}}"])
    return container in names.split()
