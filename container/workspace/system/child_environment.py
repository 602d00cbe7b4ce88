"""The environments of child processes, built from an allow-list.

The agent and the build run code that nobody reviewed. They inherit only the variables listed here. So they do not get a
new variable of the runner (an AWS credential, a token) by default.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor
from workspace.system.paths import Paths

INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
)
"""The variables that children inherit from the runner: paths of programs, language, trust anchors. None is a secret.
"""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def inherited(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Returns the part of the runner's environment that children may have, always with a PATH.

    See Settings.inherited.
    """
    kept = {name: environ[name] for name in INHERITED if environ.get(name)}
    kept.setdefault("PATH", DEFAULT_PATH)
    kept.setdefault("LANG", "C.UTF-8")
    return MappingProxyType(kept)


def agent_environment(
    paths: Paths,
    *,
    inherited: Mapping[str, str],
    model: Mapping[str, str],
    as_root: bool = False,
    author: CommitAuthor = DEFAULT_AUTHOR,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Returns the whole environment of Claude Code. It has no secret but the model proxy's token, for one run.

    Args:
        paths: the workspace's folders; HOME is `paths.home`.
        inherited: `Settings.inherited`.
        model: the variables for the model proxy.
        as_root: whether the runner is uid 0. Then Claude Code accepts bypassPermissions only with IS_SANDBOX=1.
        author: the author of the agent's own commits.
        extra: further variables of the step `agent`, which take precedence.
    """
    env = _common(paths, inherited, author)
    env |= {
        **model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    if as_root:
        env["IS_SANDBOX"] = "1"
    return env | dict(extra or {})


def build_environment(
    paths: Paths,
    *,
    inherited: Mapping[str, str],
    author: CommitAuthor = DEFAULT_AUTHOR,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Returns the whole environment of npm and the build: NODE_ENV=production, no prompt, no telemetry, no secret."""
    env = _common(paths, inherited, author)
    env |= {
        "NODE_ENV": "production",
        "CI": "1",
        "ASTRO_TELEMETRY_DISABLED": "1",
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
        "NPM_CONFIG_FUND": "false",
        "NPM_CONFIG_AUDIT": "false",
    }
    return env | dict(extra or {})


NO_HOME = "/nonexistent"
"""A folder that nobody can make. git and curl read ~/.gitconfig, ~/.netrc and more from HOME."""


def git_environment(
    *,
    ceiling: Path,
    inherited: Mapping[str, str],
    author: CommitAuthor = DEFAULT_AUTHOR,
    protocols: str = "",
    tmp: Path | None = None,
) -> dict[str, str]:
    """Returns the environment of the git commands that the runner starts.

    The configuration comes with each command and overrides .git/config, which a child may have changed. Hooks and
    fsmonitor there would run a child's programs; husky sets core.hooksPath from an npm script. gc would leave a process
    behind.

    Args:
        ceiling: the parent folder of the checkout.
        inherited: `Settings.inherited`.
        author: author and committer of the commits.
        protocols: what git may reach a repository by, such as `https`. Nothing by default: an alias in a configuration
            (`url.….insteadOf`) may name any protocol, and `ext::` is a program.
        tmp: TMPDIR.
    """
    env = dict(inherited)
    if tmp is not None:
        env["TMPDIR"] = str(tmp)
    env |= {
        "HOME": NO_HOME,
        "GIT_ALLOW_PROTOCOL": protocols,
        "LC_ALL": "C",
        **_within(ceiling),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
        **_identity(author),
    }
    return env | git_config(
        {
            "core.hooksPath": "/dev/null",
            "core.fsmonitor": "false",
            "core.quotePath": "false",
            "commit.gpgSign": "false",
            "tag.gpgSign": "false",
            "gc.auto": "0",
            "maintenance.auto": "false",
            "submodule.recurse": "false",
            "fetch.recurseSubmodules": "false",
            "push.recurseSubmodules": "no",
            "rebase.autoStash": "false",
            "advice.detachedHead": "false",
            "safe.directory": "*",
            "http.lowSpeedLimit": "500",
            "http.lowSpeedTime": "20",
        }
    )


def git_config(values: Mapping[str, str]) -> dict[str, str]:
    """Returns configuration as GIT_CONFIG_COUNT, KEY_n and VALUE_n.

    It is not visible in argv, and overrides any file.
    """
    env = {"GIT_CONFIG_COUNT": str(len(values))}
    for i, (key, value) in enumerate(values.items()):
        env[f"GIT_CONFIG_KEY_{i}"] = key
        env[f"GIT_CONFIG_VALUE_{i}"] = value
    return env


def _within(folder: Path) -> dict[str, str]:
    # If the checkout's .git is gone, git would use a repository of a parent folder. On the local stack that is the
    # user's own clone of this project. It would be committed to, and pushed to the client's remote.
    return {"GIT_CEILING_DIRECTORIES": str(folder)}


def _identity(author: CommitAuthor) -> dict[str, str]:
    return {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_COMMITTER_NAME": author.name,
        "GIT_COMMITTER_EMAIL": author.email,
    }


def _common(paths: Paths, inherited: Mapping[str, str], author: CommitAuthor) -> dict[str, str]:
    # The identity is for the agent's own commits, which git refuses without one.
    return dict(inherited) | {
        "HOME": str(paths.home),
        "TMPDIR": str(paths.tmp),
        **_within(paths.root),
        "USER": "sitewright",
        "SHELL": "/bin/sh",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
        **_identity(author),
    }
