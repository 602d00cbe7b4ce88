"""Options of `docker run` that every workspace container gets."""

_CPU_PERIOD = 100_000
_UNITS_PER_CPU = 1024

CAPABILITIES = ("SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE", "SETPCAP")
"""What the image's entry point needs of Fargate's set, which is Docker's default set. It keeps all but SETPCAP, with
which it cuts the bounding set."""

ISOLATION = (
    "--network=host",
    "--cap-drop=ALL",
    *(f"--cap-add={name}" for name in CAPABILITIES),
    "--security-opt=no-new-privileges",
)
"""The host's network, for emulator, git host and demo model listen on its loopback only. No init process: the runner is
PID 1, as on Fargate."""


def limits(cpu: str | int | None, memory: str | int | None) -> list[str]:
    """Options for a task definition's CPU units and MiB. A quota, for --cpus refuses more than the machine has."""
    options = []
    if cpu:
        options += [f"--cpu-period={_CPU_PERIOD}", f"--cpu-quota={int(cpu) * _CPU_PERIOD // _UNITS_PER_CPU}"]
    if memory:
        options.append(f"--memory={int(memory)}m")
    return options
