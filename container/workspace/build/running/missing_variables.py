"""Recognises a build that failed because an environment variable has no value. Pure.

The site's operator has to give it: no edit can. Sources of the words: Astro's `EnvInvalidVariables` (errors-data.js and
env/errors.js of astro 7.3.5), npm and Yarn 1 (https://github.com/yarnpkg/yarn/issues/6130), Yarn 4
(https://github.com/yarnpkg/berry/issues/6504), t3-env (https://github.com/t3-oss/t3-env/issues/129), POSIX's shell (2.6.2,
Parameter Expansion).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

_ASTRO = re.compile(r"environment variables defined in `env\.schema` are invalid:(?P<listed>(?:\s*- .+)+)")
_ASTRO_ENTRY = re.compile(r"- (?P<name>[A-Za-z_]\w*) is missing")

_UPPER = r"(?P<name>[A-Z][A-Z0-9_]{2,})\b"
_QUOTED = rf"[`'\"$]?{_UPPER}[`'\"]?"
_VARIABLES = r"(?i:env(?:ironment)?[ -]?var(?:iable)?s?)"
_LACKS = (
    r"(?i:is|was|must be|has) (?i:missing|required|undefined|empty|set|not (?:been )?(?:set|defined|provided|found))\b"
)

_TOLD = tuple(
    re.compile(pattern)
    for pattern in (
        r"Failed to replace env in config: \$\{(?P<name>\w+)\??\}",
        r"Environment variable not found \((?P<name>\w+)\)",
        # bash's `set -u` and every shell's ${X:?}; dash says the second for both
        r"(?m)^(?:\S+: )+(?:\d+: |line \d+: )?(?P<name>\w+): (?:unbound variable|parameter (?:null or )?not set(?: or null)?)",
        r"(?P<name>[A-Z][A-Z0-9_]{2,}): \[ ?['\"]Required['\"]",
        rf"(?i:missing|undefined|unset)(?i: required)? {_VARIABLES}:?\s+{_QUOTED}",
        rf"{_VARIABLES}:? {_QUOTED} {_LACKS}",
        rf"(?:process\.env|import\.meta\.env)\.{_UPPER} {_LACKS}",
        # Not "is not defined": so says JavaScript of a name that the code lacks.
        r"(?m)^(?i:error: )?(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]+) (?i:is|was) (?i:missing|required|not set|not provided)\b",
    )
)

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_]\w*)(?P<default>[:\-?][^}]*)?\}")
_REFUSED = re.compile(r"\b(?:E401|E403|E404|ENEEDAUTH|401|403|404)\b|Unauthorized|authentication", re.IGNORECASE)

# `test -n "$X"`, `[ -z "${X}" ]`, `[[ -n $X ]]`
_TESTED = re.compile(r"(?:\btest|\[\[?)\s+(?:!\s+)?-[nz]\s+[\"']?\$\{?(?P<name>[A-Za-z_]\w*)\}?[\"']?")
_BANNER = re.compile(
    r"^\s*(?:>.*|npm (?:notice|warn|(?:error|ERR!)(?: (?:code \d+|errno \d+|path|workspace|location|command|lifecycle|a complete log)"
    r"|\s*$)).*|\s*ELIFECYCLE.*|error Command failed.*|info Visit .*|\$ .*|)$",
    re.IGNORECASE,
)
"""The lines that npm, pnpm and Yarn write themselves around a script that fails without a word."""
_CALLED = re.compile(r"\b(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?(?:-\S+\s+)*(?P<name>[\w:.-]+)")


def missing_variables(
    log: str, *, known: Collection[str], scripts: Mapping[str, object], settings: str, installing: bool
) -> tuple[str, ...]:
    """Returns the names of the variables that a failed program needed, in the order of its words; empty if none is known.

    Args:
        log: the end of the program's output.
        known: the variables that have a value. They are never missing.
        scripts: the scripts of package.json.
        settings: the text of .npmrc and .yarnrc.yml.
        installing: whether packages were being installed; else the build script ran.
    """
    found = [*_astros(log), *(match["name"] for pattern in _TOLD for match in pattern.finditer(log))]
    if not found and installing and _REFUSED.search(log):
        found = list(_references(settings))
    if not found and not installing:
        found = list(_tested(log, scripts))
    return tuple(dict.fromkeys(name for name in found if name not in known))


def message(names: Iterable[str], part: str) -> str:
    """Returns a sentence about missing variables. Pure."""
    listed = list(names)
    which, have = ", ".join(listed), "has" if len(listed) == 1 else "have"
    return (
        f"{part} needs the environment {'variable' if len(listed) == 1 else 'variables'} {which}, which {have} no value. "
        f"Name {'it' if len(listed) == 1 else 'them'} in `buildEnvironment` of the site."
    )


def _astros(log: str) -> Iterator[str]:
    for found in _ASTRO.finditer(log):
        yield from (entry["name"] for entry in _ASTRO_ENTRY.finditer(found["listed"]))


def _references(settings: str) -> Iterator[str]:
    """npm leaves a reference without a value as it is, so the registry refuses it as a token."""
    for line in settings.splitlines():
        if not line.lstrip().startswith(("#", ";")):
            yield from (found["name"] for found in _REFERENCE.finditer(line) if not found["default"])


def _tested(log: str, scripts: Mapping[str, object]) -> Iterator[str]:
    """A bare test says nothing: then the log has only the package manager's own lines."""
    if any(not _BANNER.search(line) for line in log.splitlines()):
        return
    seen, waiting = set[str](), ["prebuild", "build"]
    while waiting:
        name = waiting.pop(0)
        line = scripts.get(name)
        if name in seen or not isinstance(line, str):
            continue
        seen.add(name)
        yield from (found["name"] for found in _TESTED.finditer(line))
        waiting += [found["name"] for found in _CALLED.finditer(line)]
