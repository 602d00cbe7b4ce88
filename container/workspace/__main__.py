"""`python -m workspace`: the container's command. Does the step its environment names, and what comes after."""

import os
import traceback

from pydantic import ValidationError

from contracts.errors import ErrorCode, ErrorInfo, SfnError
from contracts.steps import StepEnv, step_request_from_env
from workspace import process
from workspace.ahead import Ahead
from workspace.aws import Clients
from workspace.logs import Log
from workspace.metadata import workspace_id
from workspace.report import Reporter
from workspace.runner import EXIT_UNREPORTED, Runner
from workspace.settings import Settings, SettingsError
from workspace.stop import Signals, Stop


def main(env: dict[str, str]) -> int:
    """The runner's exit code; see Runner.run."""
    signals = Signals()
    signals.heed()
    process.hide_from_peers()
    process.become_subreaper()
    log = Log(sessionId=env.get(StepEnv.SESSION_ID), commandId=env.get(StepEnv.COMMAND_ID), step=env.get(StepEnv.STEP))
    log.hide(env.get(StepEnv.TASK_TOKEN, ""))
    clients = Clients()
    try:
        settings, request = Settings.from_env(env), step_request_from_env(env)
        runner = Runner(
            settings, request, clients, log, Stop(), workspace_id(settings), signals=signals, ahead=Ahead(log)
        )
    except (SettingsError, ValidationError, OSError, ValueError) as error:
        log("the workspace cannot start", level="error", error=str(error), traceback=traceback.format_exc())
        token = env.get(StepEnv.TASK_TOKEN)
        if token:
            info = ErrorInfo.of(ErrorCode.WORKSPACE_CANNOT_START, str(error))
            Reporter(clients, token, log).failure(SfnError.CANNOT_START, info)
        return EXIT_UNREPORTED
    try:
        return runner.run()
    finally:
        if runner.ahead is not None:
            runner.ahead.drop()


if __name__ == "__main__":
    raise SystemExit(main(dict(os.environ)))
