"""Options of `docker run` that every workspace container gets."""

_CPU_PERIOD = 100_000
_UNITS_PER_CPU = 1024

ISOLATION = ("--init", "--network=host", "--cap-drop=ALL", "--security-opt=no-new-privileges")
"""The host's network, for emulator, git host and demo model listen on its loopback only. Not a capability otherwise: the
image runs as a user without any."""


def limits(cpu: str | int | None, memory: str | int | None) -> list[str]:
    """Options for a task definition's CPU units and MiB. A quota, for --cpus refuses more than the machine has."""
    options = []
    if cpu:
        options += [f"--cpu-period={_CPU_PERIOD}", f"--cpu-quota={int(cpu) * _CPU_PERIOD // _UNITS_PER_CPU}"]
    if memory:
        options.append(f"--memory={int(memory)}m")
    return options
