"""`python -m tests.support.publisher_processes.forking_publisher`: forks a process for each ordered publish.

So each publisher can be killed, but Python and botocore are loaded only once, which takes half a second. Each line of
standard input is an order. Standard output has `started` and `ended` events.
"""

import json
import os
import select
import signal
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import boto3
from workspace.errors import StepStopped
from workspace.system.aws_clients import Clients
from workspace.system.stop import Signals, Stop

from sitewright.local.machine.service_environment import operator_environment
from sitewright.local.stack.cdk_deploy import REGION
from sitewright.publishing import lease, rollback
from sitewright.publishing.dist_files import scan
from sitewright.publishing.errors import LeaseUnavailable, PublishError
from sitewright.publishing.manifest_store import read_deployment
from sitewright.publishing.objects import workers
from sitewright.publishing.publish_result import PublishResult
from sitewright.publishing.publisher import Publish
from sitewright.publishing.rollback import roll_back
from sitewright.publishing.target import NoGuard, PublishTarget

DONE, STOPPED, FAILED, TAKEN, INTERRUPTED, BROKEN = 0, 10, 11, 12, 13, 14
"""Exit codes."""


@dataclass(frozen=True)
class Order:
    """An order: a build to publish, or a deployment to roll back to."""

    number: int
    url: str
    bucket: str
    artifacts: str
    client: str
    lease_owner: str
    report: str
    """The file for the deployment's id or the error."""
    dist: str = ""
    commit: str = ""
    target: str = ""
    """The deployment to roll back to; empty for a publish."""
    lease: float | None = None
    """Replaces LEASE_SECONDS."""
    threads: int | None = None
    samples: int | None = None
    """Replaces SAMPLED_VERSIONS."""


class Stoppable:
    """The guard of a session without rivals. SIGTERM and SIGINT stop the publish, as in a workspace."""

    def __init__(self) -> None:
        signals = Signals()
        self._stop = signals.follow(Stop())
        signals.heed()

    def verify(self, *, allow_superseded: bool = False) -> None:
        """Like a workspace's fence, but the claim is never lost. Raises StepStopped unless `allow_superseded`."""
        if not allow_superseded:
            self._stop.check()

    def check_stop(self) -> None:
        """Raises StepStopped."""
        self._stop.check()


def work(order: Order, session: boto3.Session) -> PublishResult:
    """Publishes or rolls back."""
    os.environ.update(operator_environment(order.url, REGION))
    if order.lease is not None:
        lease.LEASE_SECONDS = order.lease  # type: ignore[assignment]
        lease.RENEW_SECONDS, lease.MARGIN_SECONDS = order.lease / 4, order.lease / 3
    if order.threads is not None:
        workers.THREADS = order.threads
    if order.samples is not None:
        rollback.SAMPLED_VERSIONS = order.samples
    aws = Clients(session)

    def log(message: str, **values: Any) -> None:
        with log_of(order).open("a") as file:
            print(message, values, file=file)

    # Only a workspace's guard handles signals. Ctrl-C must interrupt a rollback like the command line's.
    guard = NoGuard() if order.target else Stoppable()
    target = PublishTarget(
        aws.s3, order.bucket, order.artifacts, order.client, order.lease_owner, guard, log, log, aws.small_objects
    )
    if order.target:
        return roll_back(target, read_deployment(target, order.target))
    return Publish(target, scan(Path(order.dist)), order.commit).run()


def log_of(order: Order) -> Path:
    """Returns the file of the product's log."""
    return Path(f"{order.report}.log")


def _child(order: Order, session: boto3.Session) -> NoReturn:
    code, said = BROKEN, ""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        said = work(order, session).deployment_id
        code = DONE
    except LeaseUnavailable as error:
        code, said = TAKEN, str(error)
    except PublishError as error:
        code, said = FAILED, str(error)
    except StepStopped as error:
        code, said = STOPPED, str(error)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException:
        traceback.print_exc()
        said = traceback.format_exc()
    finally:
        Path(order.report).write_text(said)
        sys.stderr.flush()
        os._exit(code)


def _tell(event: str, number: int, value: int) -> None:
    os.write(1, f"{json.dumps([event, number, value])}\n".encode())


def main() -> None:
    """Serves orders until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(operator_environment("http://127.0.0.1:9", REGION))
    session = boto3.Session()
    session.client("s3")  # loads botocore's models once for all forked processes
    running: dict[int, int] = {}
    waiting = b""
    while True:
        if select.select([0], [], [], 0.005)[0]:
            more = os.read(0, 65536)
            if not more:
                return
            *lines, waiting = (waiting + more).split(b"\n")
            for line in lines:
                order = Order(**json.loads(line))
                pid = os.fork()
                if pid == 0:
                    _child(order, session)
                running[pid] = order.number
                _tell("started", order.number, pid)
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            _tell("ended", running.pop(pid), os.waitstatus_to_exitcode(status))


def line_of(order: Order) -> bytes:
    """Returns an order as a line of standard input."""
    return f"{json.dumps(asdict(order))}\n".encode()


if __name__ == "__main__":
    main()
