"""What went wrong, in a client's words. Pure.

A summary is for the person in the chat, who knows neither git nor npm. The programs' own lines stay in `error`.
"""

from collections.abc import Mapping

from sitewright.contracts.error_codes import ErrorCode

OTHER = "something failed that only the operator of this service can look into"

WORDS: Mapping[ErrorCode, str] = {
    ErrorCode.AGENT_FAILED: "the assistant stopped before it was done",
    ErrorCode.AGENT_TIMED_OUT: "the change took longer than a change may take",
    ErrorCode.BUDGET_EXCEEDED: "the change would have cost more than one change may cost",
    ErrorCode.TURNS_EXCEEDED: "the change took more steps than one change may take",
    ErrorCode.MODEL_UNAVAILABLE: "the assistant's model was overloaded or out of reach; please try again in some minutes",
    ErrorCode.MODEL_REJECTED: "the assistant's model refused the request",
    ErrorCode.BUILD_FAILED: "the site could not be built",
    ErrorCode.BUILD_VARIABLE_MISSING: "the site needs a setting that its operator has not entered yet",
    ErrorCode.OUTPUT_MISSING: "the built pages are in a folder that this service does not know",
    ErrorCode.UNPUBLISHABLE_NAME: "a file has a name that cannot be published",
    ErrorCode.SITE_TOO_LARGE: "the site has become too large",
    ErrorCode.ROOT_PAGE_MISSING: "the site would have lost its homepage",
    ErrorCode.PAGES_MISSING: "many pages would have vanished that this change has nothing to do with",
    ErrorCode.BROKEN_REFERENCES: "pages would have pointed to files that are not there",
    ErrorCode.SERVER_CODE: "files would have become public that belong on a server",
    ErrorCode.LFS_POINTERS: "some pictures or files are missing from the repository",
    ErrorCode.PUBLISH_FAILED: "the site could not be published",
    ErrorCode.LIVE_CONFLICT: "another change of the site contradicts it",
    ErrorCode.LIVE_UNREACHABLE: "what is live could not be compared with it",
    ErrorCode.GIT_AUTH_FAILED: "the git host refuses the access that this service has",
    ErrorCode.GIT_UNAVAILABLE: "the git host did not answer",
    ErrorCode.FILE_TOO_LARGE: "a file is too large to be saved",
    ErrorCode.TOO_MANY_FILES: "there are too many new files to be saved",
    ErrorCode.OBJECTS_REFUSED: "the saved work has a part that git refuses",
    ErrorCode.REPOSITORY_EMPTY: "the site's repository is empty",
    ErrorCode.PUSH_CONFLICT: "somebody else changed the same lines, so it was saved beside their work",
    ErrorCode.PUSH_FAILED: "the git host did not accept it",
    ErrorCode.PUSH_SECRET: "it has what looks like a password or a key, which must not be saved or shown",
    ErrorCode.PUSH_LARGE_FILE: "a file is larger than the git host takes",
    ErrorCode.PUSH_WORKFLOW: "it changes files that start programs at the git host, which this service may not change",
    ErrorCode.PUSH_TOO_LARGE: "it is larger than the git host takes at once",
    ErrorCode.PUSH_UNSIGNED: "the git host takes signed work only",
    ErrorCode.PUSH_COMMIT_RULES: "the git host has rules that it does not keep to",
    ErrorCode.PUSH_BRANCH_REFUSED: "the git host has rules for names that it does not keep to",
    ErrorCode.WORKSPACE_CRASHED: "the machine that worked on it stopped",
    ErrorCode.WORKSPACE_CANNOT_START: "no machine could be started for it",
    ErrorCode.NO_CAPACITY: "all machines are at work; please try again in some minutes",
    ErrorCode.WORKSPACE_BUSY: "an earlier change of this conversation had not ended; please try again",
    ErrorCode.RUN_TIMED_OUT: "it took longer than it may take",
}
"""A clause for each error of a run. Those without one are answered in other ways: rejections, checks, interruptions."""


def told(code: ErrorCode) -> str:
    """Returns a clause that says what went wrong, without an end."""
    return WORDS.get(code, OTHER)
