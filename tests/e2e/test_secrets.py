"""No secret reaches a log, history, event, response, commit, item, archive or page: see tests/support/secrets."""

import pytest

from tests.support.e2e.stack_driver import Sent, Site, descendants
from tests.support.secrets.marked_runs import MarkedRuns


@pytest.mark.slow
def test_no_secret_leaves_a_workspace(site: Site) -> None:
    def processes(sent: Sent) -> list[int]:
        own = [pid for pid, _ in site.stack.task_processes(sent)]
        return [*own, *(below for pid in own for below in descendants(pid))]

    assert MarkedRuns(site, processes, site.stack.kill_workspace).leaks() == []
