"""`up` and `down`: the services, the deployment, and `stack.json` for everybody else."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.names import site_bucket
from contracts.site import DEFAULT_CLIENT, DEFAULT_DOMAIN, SiteConfig, SiteConfigError
from local.aws import Aws
from local.dataplane.container import remove_all
from local.deploy import ACCOUNT, NO_IMAGE, REGION, bootstrap, deploy
from local.engine import STACK_LABEL, Engine, EngineError
from local.environment import ACCESS_KEY, HEARTBEAT_AT_MOST, SECRET_KEY, engine_environment
from local.errors import BadSetting, Interrupted, NotRunning
from local.home import REPOSITORY_ROOT, Home, write_private
from local.image import provide, try_out
from local.ports import PREFERRED, SITE_PORT, choose_port, choosing
from local.repositories import checked_source, ensure_repository, without_credentials
from local.services import ensure, loopback, running, stop_all
from local.source import digest

Json = dict[str, Any]
Say = Callable[[str], None]
DEMO_KEY = "demo"
RUNTIMES = ("process", "docker")


@dataclass(frozen=True)
class Containers:
    """What workspaces run in, where they are no host processes."""

    engine: Engine
    image: str
    limited: bool


@contextlib.contextmanager
def locked(home: Home, say: Say) -> Iterator[None]:
    """One `up` or `down` of a home at a time."""
    home.create()
    with home.lock_file.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another `up` or `down` of this stack")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def load(home: Home, *, whole: bool = False) -> Json:
    """`stack.json` of a running stack; `whole`: all of its services run. Raises NotRunning."""
    try:
        data: Json = json.loads(home.stack_file.read_text())
    except (OSError, ValueError) as error:
        raise NotRunning from error
    if not running(home, "emulator"):
        raise NotRunning("The local stack was started, but its emulator is gone.")
    needed = [name for name in (*PREFERRED, "gateway") if name != "demo-model" or data["demo_model_url"]]
    gone = [name for name in needed if not running(home, name)]
    if whole and gone:
        raise NotRunning(f"The local stack is half down: {', '.join(gone)} is gone.")
    return data


def up(home: Home, client: str | None, site_repo: str | None, runtime: str | None, say: Say) -> Json:
    """Starts what is not running, deploys, writes `stack.json`. Raises LocalError.

    Without a `runtime` a running stack keeps its own.
    """
    engine = _engine(home, runtime)
    with locked(home, say):
        fresh = not running(home, "emulator")
        if fresh and home.stack_file.exists():
            say("the stack had not been stopped but its emulator is gone: starting anew, without its sessions and runs")
        try:
            return _up(home, client, site_repo, engine, say)
        except KeyboardInterrupt as error:
            if not fresh:
                raise Interrupted(
                    "Interrupted; the stack runs on, maybe without the change.", "Run `sitewright up` again, or `down`."
                ) from error
            say("interrupted: stopping what was started")
            _stop(home, say)
            raise Interrupted("Interrupted; nothing is left running.", "Start again with `sitewright up`.") from error


def _up(home: Home, client: str | None, site_repo: str | None, engine: Engine | None, say: Say) -> Json:
    state = _state(home)
    if not running(home, "emulator"):
        state["bootstrapped"], state["deployed"], state["tried"] = False, [], None
    source = checked_source(site_repo) if site_repo else None
    if client and client not in state["sites"]:
        state["sites"].append(client)
    if not state["sites"]:
        state["sites"].append(DEFAULT_CLIENT)
    for name in state["sites"]:
        _valid(name)
        _repository(home, state, name, source if name == (client or DEFAULT_CLIENT) else None)
    if not home.token_file.exists():
        write_private(home.token_file, secrets.token_urlsafe(24) + "\n")
    containers = _containers(home, state, engine, say) if engine else None
    before, state["engine"] = state.get("engine"), engine.text if engine else None
    with choosing():
        _ports(state, home)
        # Before the services start: a failure later must not forget the ports of those that run by then.
        _save(home, state)
        model_url, model_key = _services(home, state, containers, say)
    if before and before != state["engine"]:
        _remove_containers(home, before, say)
    endpoint = loopback(state["ports"]["emulator"])
    sites = [_site(state, name, model_url) for name in state["sites"]]
    _deploy(home, state, endpoint, sites, image=containers.image if containers else NO_IMAGE, say=say)
    aws = Aws(endpoint, REGION)
    for name in state["sites"]:
        aws.secrets.put_secret_value(
            SecretId=f"sitewright/{name}/git-token", SecretString=home.token_file.read_text().strip()
        )
        aws.secrets.put_secret_value(SecretId=f"sitewright/{name}/model-key", SecretString=model_key)
    info = _describe(home, state, aws, model_url)
    write_private(home.stack_file, json.dumps(info, indent=2))
    return info


def _deploy(home: Home, state: Json, endpoint: str, sites: list[Json], *, image: str, say: Say) -> None:
    """Deploys unless the very same sources and sites are deployed."""
    source = f"{digest(REPOSITORY_ROOT)} {image}"
    if state["deployed"] == sites and state.get("source") == source:
        return
    started = time.monotonic()
    if not state.get("bootstrapped"):
        bootstrap(home, endpoint, sites, image)
        state["bootstrapped"] = True
        say(f"bootstrapped ({time.monotonic() - started:.0f} s)")
        started = time.monotonic()
    # Written down before: what a deployment that fails leaves behind is neither the old state nor the new one.
    state["source"] = ""
    _save(home, state)
    deploy(home, endpoint, sites, image)
    say(f"deployed {len(sites) + 1} stacks ({time.monotonic() - started:.0f} s)")
    state["deployed"], state["source"] = sites, source
    _save(home, state)


def down(home: Home, say: Say) -> int:
    """Stops everything; git repositories and ports are kept. Gives how many processes were stopped."""
    if not home.root.exists():
        return 0
    with locked(home, say):
        return _stop(home, say)


def _stop(home: Home, say: Say) -> int:
    stopped = stop_all(home)
    if text := _state(home).get("engine"):
        stopped += _remove_containers(home, text, say)
    home.stack_file.unlink(missing_ok=True)
    shutil.rmtree(home.tmp, ignore_errors=True)
    return stopped


def _remove_containers(home: Home, engine: str, say: Say) -> int:
    """What the data plane has not removed itself, because it was killed."""
    try:
        return remove_all(Engine.parse(engine), home.root)
    except EngineError as error:
        say(f"{engine} does not answer ({error}): containers with the label {STACK_LABEL}={home.root} may be left")
        return 0


def _save(home: Home, state: Json) -> None:
    write_private(home.state_file, json.dumps(state, indent=2))


def _engine(home: Home, runtime: str | None) -> Engine | None:
    """The engine that runs workspaces; None for host processes. Raises BadSetting, NoEngine."""
    if runtime not in {None, *RUNTIMES}:
        raise BadSetting(f"There is no runtime {runtime!r}.", f"Use {' or '.join(f'`{name}`' for name in RUNTIMES)}.")
    if runtime is None and running(home, "emulator"):
        text = _state(home).get("engine")
        return Engine.parse(text) if text else None
    return Engine.find(os.environ) if runtime == "docker" else None


def _containers(home: Home, state: Json, engine: Engine, say: Say) -> Containers:
    """The image built and tried, once for each that a running stack sees. Raises ImageFailed."""
    image = provide(engine, home, say)
    tried = state.get("tried")
    if not tried or tried[:2] != [engine.text, image]:
        state["tried"] = tried = [engine.text, image, try_out(engine, image, say)]
    return Containers(engine, image, bool(tried[2]))


def _valid(client: str) -> None:
    try:
        SiteConfig.parse({"clientId": client, "repository": "http://127.0.0.1/x.git"}, 0)
    except SiteConfigError as error:
        raise BadSetting(f"{client!r} is no clientId.", "Use lower case letters, digits and inner hyphens.") from error


def _repository(home: Home, state: Json, client: str, source: str | None) -> None:
    bare, sources = home.git / f"{client}.git", state["sources"]
    if source and bare.exists() and sources.get(client) != source:
        raise BadSetting(
            f"{client} has a repository already (from {sources.get(client) or 'the demo site'}).",
            f"Name another --client, or remove {bare} while the stack is down.",
        )
    ensure_repository(bare, source)
    if source:
        sources[client] = source


def _state(home: Home) -> Json:
    try:
        state: Json = json.loads(home.state_file.read_text())
    except (OSError, ValueError):
        state = {"ports": {}, "site_ports": {}, "sites": [], "deployed": []}
    # Written before credentials were refused.
    state["sources"] = {name: without_credentials(url) for name, url in state.get("sources", {}).items()}
    return state


def _ports(state: Json, home: Home) -> None:
    """Every port as remembered where it is ours or free, another where somebody has it."""
    taken: set[int] = {*state["ports"].values(), *state["site_ports"].values()}
    for name, preferred in PREFERRED.items():
        if not running(home, name):
            known = state["ports"].get(name, preferred)
            state["ports"][name] = choose_port(known, taken - {known})
            taken.add(state["ports"][name])
    for number, client in enumerate(state["sites"]):
        if client not in state["site_ports"] or not running(home, "gateway"):
            known = state["site_ports"].get(client, SITE_PORT + number)
            state["site_ports"][client] = choose_port(
                known, taken - {known} if client in state["site_ports"] else taken
            )
            taken.add(state["site_ports"][client])


def _services(home: Home, state: Json, containers: Containers | None, say: Say) -> tuple[str | None, str]:
    ports = state["ports"]
    endpoint = loopback(ports["emulator"])
    emulator = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(ports["emulator"]),
        "MINISTACK_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "S3_DATA_DIR": str(home.emulator / "s3"),
        # Its MQTT broker listens on 0.0.0.0:8883 and its SFTP server on 0.0.0.0:2222, whatever BIND_HOST says.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Where there is Docker, it would run the ECS tasks itself, beside our data plane.
        "DOCKER_HOST": f"unix://{home.emulator}/no-docker.sock",
    }
    if at_most := os.environ.get(HEARTBEAT_AT_MOST):
        emulator[HEARTBEAT_AT_MOST] = at_most
    ensure(home, "emulator", ["local.emulator"], url=f"{endpoint}/_ministack/health", extra=emulator)
    root, token = str(home.git), str(home.token_file)
    port = str(ports["git-host"])
    ensure(
        home,
        "git-host",
        ["local.git_host", "--root", root, "--token-file", token, "--port", port],
        url=loopback(ports["git-host"], "/healthz"),
    )
    arguments = ["local.dataplane", "--endpoint", endpoint, "--region", REGION, "--home", str(home.root)]
    delay = os.environ.get("SITEWRIGHT_START_DELAY", "0")
    arguments += ["--port", str(ports["dataplane"]), "--start-delay", delay]
    if containers:
        arguments += ["--engine", containers.engine.text, *([] if containers.limited else ["--no-limits"])]
    url = loopback(ports["dataplane"], "/healthz")
    ensure(home, "dataplane", arguments, url=url, extra=engine_environment(os.environ) if containers else None)
    gateway = ["local.gateway", "--endpoint", endpoint, "--region", REGION]
    for client in state["sites"]:
        gateway += ["--site", f"{site_bucket(client, DEFAULT_DOMAIN)}={state['site_ports'][client]}"]
    ensure(home, "gateway", gateway, url=loopback(state["site_ports"][state["sites"][-1]]))
    key = os.environ.get("ANTHROPIC_API_KEY")
    if key:
        say("the model: Anthropic's, or what ANTHROPIC_BASE_URL names")
        return os.environ.get("ANTHROPIC_BASE_URL"), key
    demo = ["local.demo_model", "--port", str(ports["demo-model"])]
    ensure(home, "demo-model", demo, url=loopback(ports["demo-model"], "/healthz"))
    say("the model: a small stand-in (set ANTHROPIC_API_KEY for the real one)")
    return loopback(ports["demo-model"]), DEMO_KEY


def _site(state: Json, client: str, model_url: str | None) -> Json:
    site: Json = {
        "clientId": client,
        "repository": loopback(state["ports"]["git-host"], f"/{client}.git"),
        "siteUrl": loopback(state["site_ports"][client]),
    }
    if model_url:
        site["modelBaseUrl"] = model_url
    idle = idle_seconds(os.environ.get("SITEWRIGHT_IDLE_SECONDS", ""), client)
    if idle is not None:
        site["idleSeconds"] = idle
    return site


def idle_seconds(text: str, client: str) -> int | None:
    """A site's `idleSeconds` from `60` (every site's) or `amelia=60,bruno=0`; None leaves the default.

    Raises BadSetting.
    """
    found = None
    for part in filter(None, text.split(",")):
        name, _, seconds = part.rpartition("=")
        if not seconds.isdecimal():
            raise BadSetting(f"SITEWRIGHT_IDLE_SECONDS: {part!r} is no number of seconds.", "Write 60, or amelia=60.")
        if name in {"", client}:
            found = int(seconds)
    return found


def _outputs(aws: Aws, stack: str) -> dict[str, str]:
    found = aws.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in found}


def _describe(home: Home, state: Json, aws: Aws, model_url: str | None) -> Json:
    platform = _outputs(aws, "Sitewright-Platform")
    sites = []
    for client in state["sites"]:
        site = _outputs(aws, f"Sitewright-Site-{client}")
        sites.append(
            {
                "client_id": client,
                "site_url": site["SiteUrl"],
                "bucket": site["SiteBucket"],
                "state_machine_arn": site["StateMachineArn"],
                "git_remote": loopback(state["ports"]["git-host"], f"/{client}.git"),
                "git_dir": str(home.git / f"{client}.git"),
            }
        )
    first = {key: sites[0][key] for key in ("site_url", "bucket", "git_remote", "state_machine_arn")}
    return {
        "endpoint_url": aws.endpoint_url,
        "region": REGION,
        "account": ACCOUNT,
        "input_queue_url": platform["InputQueueUrl"],
        "response_queue_url": platform["ResponseQueueUrl"],
        "dead_letter_queue_url": platform["DeadLetterQueueUrl"],
        **first,
        "cluster": platform["ClusterName"],
        "tables": {
            "sessions": platform["SessionsTable"],
            "commands": platform["CommandsTable"],
            "deployments": platform["DeploymentsTable"],
        },
        "artifacts_bucket": platform["ArtifactsBucket"],
        "git_host_url": loopback(state["ports"]["git-host"]),
        "git_token_file": str(home.token_file),
        "runtime": "docker" if state["engine"] else "process",
        "engine": state["engine"],
        "demo_model_url": model_url if running(home, "demo-model") else None,
        "sites": sites,
    }


def home_of(path: Path | None = None) -> Home:
    """The home of this process: the option, SITEWRIGHT_HOME, or `.local/`."""
    return Home.find(path, os.environ)
