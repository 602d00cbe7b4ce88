"""No secret leaves a container: see tests/support/secrets."""

from tests.support.e2e.stack_driver import Sent, Site
from tests.support.image.container_stack import ContainerStack
from tests.support.secrets.marked_runs import MarkedRuns


def test_no_secret_leaves_a_container(containers: ContainerStack, site: Site) -> None:
    def processes(sent: Sent) -> list[int]:
        names = [
            name for name in containers.engine.names(containers.home) if f'"{sent.session_id}"' in containers.log(name)
        ]
        return [process.pid for name in names for process in containers.processes(name)]

    def kill(sent: Sent) -> None:
        containers.engine.kill(containers.container(sent))

    assert MarkedRuns(site, processes, kill).leaks() == []
