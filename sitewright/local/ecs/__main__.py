"""`python -m sitewright.local.ecs`: runs the tasks that the emulator records, and serves their metadata."""

import argparse
import signal
import threading
from pathlib import Path

from sitewright.local.aws_clients import Aws
from sitewright.local.containers.container_engine import Engine
from sitewright.local.ecs.container_task import ContainerRuntime
from sitewright.local.ecs.metadata_server import metadata_server
from sitewright.local.ecs.orphan_processes import become_subreaper
from sitewright.local.ecs.process_task import ProcessRuntime
from sitewright.local.ecs.task import Runtime
from sitewright.local.ecs.task_supervisor import TaskSupervisor
from sitewright.local.machine.stack_home import Home


def _runtime(options: argparse.Namespace, home: Home) -> Runtime:
    if options.engine:
        # No subreaper: Podman leaves a process beside each container, which would be taken for an orphan.
        engine = Engine.parse(options.engine)
        return ContainerRuntime(engine, home, options.endpoint, options.region, limited=not options.no_limits)
    return ProcessRuntime(
        home, options.endpoint, options.region, subreaper=become_subreaper(), guests=options.two_users
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sitewright.local.ecs")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--start-delay", type=float, default=0.0, help="seconds; stands for Fargate's cold start")
    parser.add_argument("--engine", help="Docker's or Podman's command; without it tasks are host processes")
    parser.add_argument("--no-limits", action="store_true", help="the engine cannot limit memory and CPU")
    parser.add_argument("--two-users", action="store_true", help="host processes: a second user for each task")
    options = parser.parse_args()
    aws, home = Aws(options.endpoint, options.region), Home(options.home)
    supervisor = TaskSupervisor(aws, home, options.port, options.start_delay, _runtime(options, home))

    def end(*_: object) -> None:
        supervisor.ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    server = metadata_server(supervisor.tasks, supervisor.roles, options.port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    supervisor.run()


if __name__ == "__main__":
    main()
