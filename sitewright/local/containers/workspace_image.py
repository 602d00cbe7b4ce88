"""Builds the workspace image once for the same content, and tries a container of it."""

import ast
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from sitewright.local.containers.container_engine import STACK_LABEL, Engine, EngineError
from sitewright.local.containers.container_options import ISOLATION, limits
from sitewright.local.errors import ImageFailed
from sitewright.local.machine.service_processes import tail
from sitewright.local.machine.source_digest import digest
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home
from sitewright.local.progress import Report

NAME = "localhost/sitewright-workspace"
DOCKERFILE = "container/Dockerfile"
BASE_VARIABLE = "SITEWRIGHT_BASE_IMAGE"
PARTS = (
    ".dockerignore",
    "container",
    "sitewright/__init__.py",
    "sitewright/contracts",
    "sitewright/tables",
    "sitewright/publishing",
    "sitewright/retry.py",
)
"""The files that .dockerignore lets into the build."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_BUNDLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")

TRY_MEMORY_MIB = 256
TRY_SECONDS = 120
_LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def tag(root: Path, base: str | None) -> str:
    """Returns the image's name. It changes with the content or the name of any file in the image, and with its base."""
    return f"{NAME}:{digest(root, PARTS, seed=base or '')[:16]}"


def provide(engine: Engine, home: Home, report: Report, root: Path = REPOSITORY_ROOT) -> str:
    """Returns the image of the present sources, and builds it unless it exists. Raises ImageFailed."""
    base = os.environ.get(BASE_VARIABLE)
    image = tag(root, base)
    if engine.has_image(image):
        return image
    report(f"building the workspace image with {engine.text}: some minutes the first time ({home.log / 'image.log'})")
    began = time.monotonic()
    _build(engine, home, image, base, root)
    report(f"built {image} ({time.monotonic() - began:.0f} s)")
    return image


def _build(engine: Engine, home: Home, image: str, base: str | None, root: Path) -> None:
    log = home.log / "image.log"
    with tempfile.TemporaryDirectory(prefix="sitewright-build-") as folder, log.open("wb") as output:
        # The host's network: a proxy or an index may be on its loopback, and Podman's own needs more than it finds on
        # some machines.
        arguments = ["--network=host", f"--file={DOCKERFILE}", f"--tag={image}", f"--label={STACK_LABEL}.image=1"]
        if base:
            arguments.append(f"--build-arg=BASE_IMAGE={base}")
        # Of these, names known to the engines, no trace stays in the image; without a value it comes from the environment.
        arguments += [f"--build-arg={name}" for name in _PROXIES if os.environ.get(name)]
        arguments += [f"--secret=id={name},src={path}" for name, path in _secrets(Path(folder), os.environ)]
        try:
            code = engine.build([*arguments, "."], root, output)
        except OSError as error:
            raise ImageFailed(f"{engine.text} cannot be started: {error}.", "Correct what it says.") from error
    if code:
        raise ImageFailed(
            f"`{engine.text} build` of the workspace image ended with exit code {code}.",
            f"Correct what the output says ({log}) and run `sitewright up` again; {BASE_VARIABLE} names another base image.",
            tail(log, 25),
        )


def _secrets(folder: Path, env: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Returns this machine's configuration of `pip`. The build mounts it while `pip` runs. No layer keeps it."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings = pip_settings(listed)
    if settings:
        file = folder / "pip.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items()), ""]))
        yield "pip_conf", file
    for name in _BUNDLES:
        path = Path(env.get(name, ""))
        if path.is_file() and "," not in str(path):
            yield "ca_bundle", path.absolute()
            return


def pip_settings(listed: str) -> dict[str, str]:
    """Returns indexes and proxy from the output of `pip config list`. Leaves out paths on this machine."""
    settings = {}
    for line in listed.splitlines():
        key, _, written = line.partition("=")
        name = key.rpartition(".")[2]
        if name in _PIP_SETTINGS:
            try:
                value = str(ast.literal_eval(written))
            except (ValueError, SyntaxError):
                continue
            if name.endswith("index-url"):
                value = " ".join(url for url in value.split() if url.startswith(("http://", "https://")))
            if value:
                settings[name] = value
    return settings


def try_out(engine: Engine, image: str, report: Report) -> bool:
    """Runs a container as a workspace is run; whether limits of memory and CPU hold. Raises ImageFailed."""
    command = ["sh", "-c", f"cat {' '.join(_LIMIT_FILES)} 2>/dev/null; python -c 'import workspace.lifecycle.runner'"]
    wanted = str(TRY_MEMORY_MIB << 20)
    try:
        shown = engine.run(["--rm", *ISOLATION, *limits(512, TRY_MEMORY_MIB)], image, command, seconds=TRY_SECONDS)
        if wanted in shown.split():
            return True
        report(f"{engine.text} does not limit memory and CPU here: workspaces run without limits")
    except EngineError as refused:
        try:
            engine.run(["--rm", *ISOLATION], image, command, seconds=TRY_SECONDS)
        except EngineError as error:
            raise ImageFailed(
                f"{engine.text} cannot run the workspace image: {error}.",
                f"Correct it (try `{engine.text} run --rm {image} true`), or run `sitewright up` without `--runtime`.",
            ) from error
        report(f"workspaces run without limits of memory and CPU: {engine.text} refuses them ({refused})")
    return False
