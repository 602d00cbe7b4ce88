"""`python -m workspace`: the container's command. Runs the step that its environment names, then the offered ones."""

import os
import signal
import traceback

if __name__ == "__main__":
    # The kernel drops a signal to PID 1 that has no handler yet; a blocked one waits. The imports take half a second.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})

from pydantic import ValidationError

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import StepEnv, step_request_from_env
from workspace.guest.child_register import reap_orphans
from workspace.lifecycle.runner import EXIT_UNREPORTED, Runner
from workspace.lifecycle.step_report import Reporter
from workspace.system import processes
from workspace.system.aws_clients import Clients
from workspace.system.json_log import Log
from workspace.system.periodic_thread import PeriodicThread
from workspace.system.prestarted_process import PrestartedProcess
from workspace.system.settings import Settings, SettingsError
from workspace.system.stop import Signals, Stop
from workspace.system.task_metadata import workspace_id

REAP_SECONDS = 2.0
"""How long an orphan that has ended may wait for PID 1. It counts towards the guest's limit of processes."""


def _reap() -> bool:
    reap_orphans()
    return True


def main(env: dict[str, str]) -> int:
    """Returns the runner's exit code; see Runner.run."""
    signals = Signals()
    signals.heed()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    processes.hide_from_peers()
    processes.become_subreaper()
    log = Log(sessionId=env.get(StepEnv.SESSION_ID), commandId=env.get(StepEnv.COMMAND_ID), step=env.get(StepEnv.STEP))
    log.hide(env.get(StepEnv.TASK_TOKEN, ""))
    clients = Clients()
    try:
        settings, request = Settings.from_env(env), step_request_from_env(env)
        runner = Runner(
            settings,
            request,
            clients,
            log,
            Stop(),
            workspace_id(settings),
            signals=signals,
            prestarted=PrestartedProcess(log, settings.guest),
        )
    except (SettingsError, ValidationError, OSError, ValueError) as error:
        log("the workspace cannot start", level="error", error=str(error), traceback=traceback.format_exc())
        token = env.get(StepEnv.TASK_TOKEN)
        if token:
            info = ErrorInfo.of(ErrorCode.WORKSPACE_CANNOT_START, str(error))
            Reporter(clients, token, log).failure(SfnError.CANNOT_START, info)
        return EXIT_UNREPORTED
    try:
        if os.getpid() != 1:
            return runner.run()
        with PeriodicThread(_reap, REAP_SECONDS, "reaper"):
            return runner.run()
    finally:
        if runner.prestarted is not None:
            runner.prestarted.discard()


if __name__ == "__main__":
    raise SystemExit(main(dict(os.environ)))
