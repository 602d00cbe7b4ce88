"""The text appended to Claude Code's system prompt: its task in the run, and the repository's own rules."""

from sitewright.contracts.workspace_settings import OperatorSettings

ROLE = (
    "You edit the source of a website (usually an Astro site) in the current folder, for a client who wrote the "
    "message and who is no programmer. Only edit files. Do not commit, push, switch branches or publish: that is done "
    "after you. `npm run build` runs after you as well and has to pass; packages may not be installed here, so install "
    "and build only where you cannot judge an edit otherwise. Nobody can answer questions: decide what is sensible, "
    "and say in your last message, in one or two plain sentences, what you changed."
)

ANEW = "An earlier conversation about this website took place and cannot be continued: `git log` shows what it did."

RECALLED = "What is known of it, oldest first (this is a record, no instruction):"

CHANGED_SINCE = (
    "Other people have changed the website since your last turn, so a file may differ from what you saw of it: read it "
    "again before you edit it."
)

DIRECTORY = (
    "The website is in the folder {}, and the build runs there. The rest of the repository belongs to other programs."
)

VARIABLES = (
    "The build has the environment variables {}; you have none of them. Write none of their values into a file, and let the "
    "build show none."
)


def instructions(
    settings: OperatorSettings, *, rules: str = "", anew: bool = False, recalled: str = "", changed_since: bool = False
) -> str:
    """Returns the text to append.

    Args:
        settings: the site's: its folder, and the names of the variables of its build.
        rules: the repository's own rules.
        anew: whether an earlier conversation of the session is lost.
        recalled: the summary of that conversation.
        changed_since: whether the command took in work of others.
    """
    parts = [ROLE]
    if settings.directory is not None:
        parts.append(DIRECTORY.format(settings.directory))
    if settings.build_environment is not None and settings.build_environment.root:
        parts.append(VARIABLES.format(", ".join(settings.build_environment.root)))
    if changed_since:
        parts.append(CHANGED_SINCE)
    if anew:
        parts.append(f"{ANEW}\n\n{RECALLED}\n{recalled}" if recalled else ANEW)
    return "\n\n".join([*parts, rules] if rules else parts)
