"""Starts, deploys and stops the local stack: `up` and `down`."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sitewright.contracts.names import GIT_TOKEN, MODEL_KEY, secret_parameter
from sitewright.contracts.site_config import DEFAULT_CLIENT
from sitewright.local.aws_clients import Aws
from sitewright.local.containers.container_engine import Engine
from sitewright.local.errors import Interrupted
from sitewright.local.machine.marked_processes import kill_until_none, processes_of_stack, processes_with_home
from sitewright.local.machine.ports import choosing
from sitewright.local.machine.service_processes import ProcessRecord
from sitewright.local.machine.source_digest import digest
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home, write_private
from sitewright.local.progress import Report
from sitewright.local.stack import service_startup, site_entries
from sitewright.local.stack import stack_state as states
from sitewright.local.stack.cdk_deploy import NO_IMAGE, REGION, bootstrap, deploy
from sitewright.local.stack.service_startup import EMULATOR, EmulatorProgram
from sitewright.local.stack.services import loopback, running, stop_all
from sitewright.local.stack.site_repositories import checked_source
from sitewright.local.stack.stack_file import describe
from sitewright.local.stack.stack_lock import stack_lock
from sitewright.local.stack.stack_owner import owner_of, watch_owner
from sitewright.local.stack.workspace_runtime import choose_engine, containers_of, remove_containers

Json = dict[str, Any]


@dataclass(frozen=True)
class StackOptions:
    """What `up` may be asked for."""

    client: str | None = None
    """The site to add; None: the sites of the stack, or the demo site."""
    site_repo: str | None = None
    """The git repository of the added site; None: the demo site's."""
    runtime: str | None = None
    """`process` or `docker`; None: a running stack keeps its own."""
    settings: Path | None = None
    """A file with further settings of that site; None: it keeps those that it has."""
    emulator: EmulatorProgram = EMULATOR


def up(home: Home, options: StackOptions, report: Report) -> Json:
    """Starts what is not running, deploys, writes `stack.json`. Raises LocalError."""
    if options.site_repo:
        options = replace(options, site_repo=checked_source(options.site_repo))
    engine = choose_engine(home, options.runtime)
    with stack_lock(home, report):
        owner = owner_of(os.environ)
        fresh = not running(home, "emulator")
        if fresh and home.stack_file.exists():
            report(
                "the stack had not been stopped but its emulator is gone: starting anew, without its sessions and runs"
            )
        try:
            if fresh and owner:
                watch_owner(home, owner)
            return _up(home, options, engine, report)
        except KeyboardInterrupt as error:
            if not fresh:
                raise Interrupted(
                    "Interrupted; the stack runs on, maybe without the change.", "Run `sitewright up` again, or `down`."
                ) from error
            report("interrupted: stopping what was started")
            _stop(home, report)
            raise Interrupted("Interrupted; nothing is left running.", "Start again with `sitewright up`.") from error


def _up(home: Home, options: StackOptions, engine: Engine | None, report: Report) -> Json:
    client, site_repo = options.client, options.site_repo
    state = states.read(home)
    if not running(home, "emulator"):
        state["bootstrapped"], state["deployed"], state["tried"] = False, [], None
    if client and client not in state["sites"]:
        state["sites"].append(client)
    if not state["sites"]:
        state["sites"].append(DEFAULT_CLIENT)
    if options.settings:
        site_entries.keep_settings(state, client or DEFAULT_CLIENT, options.settings)
    for name in state["sites"]:
        site_entries.check_name(name)
        site_entries.provide_repository(home, state, name, site_repo if name == (client or DEFAULT_CLIENT) else None)
    if not home.token_file.exists():
        write_private(home.token_file, secrets.token_urlsafe(24) + "\n")
    containers = containers_of(home, state, engine, report) if engine else None
    before, state["engine"] = state.get("engine"), engine.text if engine else None
    with choosing():
        states.choose_ports(home, state)
        # Before the services start: after a later failure their ports must still be known.
        states.save(home, state)
        model_url, model_key = service_startup.start(home, state, containers, options.emulator, report)
    if before and before != state["engine"]:
        remove_containers(home, before, report)
    endpoint = loopback(state["ports"]["emulator"])
    configs = [site_entries.config(state, name, model_url) for name in state["sites"]]
    aws = Aws(endpoint, REGION)
    _deploy(home, state, aws, configs, image=containers.image if containers else NO_IMAGE, report=report)
    for name in state["sites"]:
        for secret, value in ((GIT_TOKEN, home.token_file.read_text().strip()), (MODEL_KEY, model_key)):
            parameter = secret_parameter(name, secret)
            aws.ssm.put_parameter(Name=parameter, Value=value, Type="SecureString", Overwrite=True)
    info = describe(home, state, aws, model_url)
    write_private(home.stack_file, json.dumps(info, indent=2))
    return info


def _deploy(home: Home, state: Json, aws: Aws, configs: list[Json], *, image: str, report: Report) -> None:
    """Deploys unless the same sources and sites are deployed already."""
    source = f"{digest(REPOSITORY_ROOT)} {image}"
    if state["deployed"] == configs and state.get("source") == source:
        return
    started = time.monotonic()
    if not state.get("bootstrapped"):
        bootstrap(home, aws)
        state["bootstrapped"] = True
    # Cleared first: a failed deployment leaves neither the old stacks nor the new ones.
    state["source"] = ""
    states.save(home, state)
    deploy(home, aws.endpoint_url, configs, image)
    report(f"deployed {len(configs) + 1} stacks ({time.monotonic() - started:.0f} s)")
    state["deployed"], state["source"] = configs, source
    states.save(home, state)


def down(home: Home, report: Report) -> int:
    """Stops all processes; git repositories and ports are kept. Returns the number of stopped processes."""
    if not home.root.exists():
        return 0
    with stack_lock(home, report):
        return _stop(home, report)


def end_stack(home: Home, report: Report) -> int:
    """Stops a stack whose owner is gone, and an `up` that still works on it. Returns as `down` does."""
    owner = ProcessRecord.load(home.lock_owner)
    if owner and owner.alive and owner.pid != os.getpid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGTERM)
    stopped = down(home, report)
    # The folder may be deleted already, and with it the records. Its processes still carry its mark.
    return stopped + kill_until_none(lambda: [*processes_of_stack(home.root), *processes_with_home(home.tasks)])


def _stop(home: Home, report: Report) -> int:
    stopped = stop_all(home)
    if text := states.read(home).get("engine"):
        stopped += remove_containers(home, text, report)
    home.stack_file.unlink(missing_ok=True)
    shutil.rmtree(home.tmp, ignore_errors=True)
    return stopped


def home_of(path: Path | None = None) -> Home:
    """The home of this process: the option, SITEWRIGHT_HOME, or `.local/`."""
    return Home.find(path, os.environ)
