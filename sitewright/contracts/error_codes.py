"""The catalogue of errors: each code with its reporter and its remedy. Responses and documents read it."""

from enum import StrEnum

from sitewright.contracts.base import Contract
from sitewright.contracts.error_sources import ErrorSource
from sitewright.contracts.secrets.secret_shapes import masked


class ErrorCode(StrEnum):
    """The `error.code` of a response. The codes are part of the interface: renaming one breaks clients.

    A new code is one entry: code, reporter, remedy. `for code in ErrorCode` iterates over the catalogue.
    """

    reporter: ErrorSource
    remedy: str
    """What the reader of the error can do."""

    def __new__(cls, code: str, reporter: ErrorSource, remedy: str) -> "ErrorCode":
        """Makes a member whose value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.reporter = reporter
        member.remedy = remedy
        return member

    INVALID_MESSAGE = (
        "invalid_message",
        ErrorSource.INTAKE,
        "Correct the named field and send the command again with a new commandId.",
    )
    UNKNOWN_CLIENT = (
        "unknown_client",
        ErrorSource.INTAKE,
        "Add the site to the `sites` list in cdk.json and deploy, or correct the clientId.",
    )
    SESSION_MISMATCH = (
        "session_mismatch",
        ErrorSource.INTAKE,
        "A session keeps its chatThreadId: start a new session for another one.",
    )
    NOTHING_TO_PREPARE = (
        "nothing_to_prepare",
        ErrorSource.INTAKE,
        "Nothing is wrong: send the instruction. A preparation interrupts no command.",
    )
    MESSAGE_TOO_OLD = (
        "message_too_old",
        ErrorSource.INTAKE,
        "Nothing was changed. If the wish still holds, send the command again with a new commandId. "
        "`maxMessageAgeSeconds` of the site is the limit; `sentAt` is in milliseconds.",
    )
    MONTHLY_BUDGET_EXCEEDED = (
        "monthly_budget_exceeded",
        ErrorSource.INTAKE,
        "Raise `monthlyBudgetUsd` of the site and deploy, or wait until the 1st of the month (UTC). "
        "Then send the command again with a new commandId.",
    )
    AGENT_FAILED = (
        "agent_failed",
        ErrorSource.AGENT,
        "Open the run in the Step Functions console for the agent's log, then send the command again.",
    )
    AGENT_TIMED_OUT = (
        "agent_timed_out",
        ErrorSource.AGENT,
        "Ask for a smaller change, or raise `agentTimeoutSeconds` of the site.",
    )
    BUDGET_EXCEEDED = (
        "budget_exceeded",
        ErrorSource.AGENT,
        "Ask for a smaller change, or raise `maxBudgetUsd` of the site.",
    )
    TURNS_EXCEEDED = "turns_exceeded", ErrorSource.AGENT, "Ask for a smaller change, or raise `maxTurns` of the site."
    MODEL_UNAVAILABLE = (
        "model_unavailable",
        ErrorSource.AGENT,
        "The model's service was overloaded or out of reach: send the command again in a few minutes.",
    )
    MODEL_REJECTED = (
        "model_rejected",
        ErrorSource.AGENT,
        "Check the model key in the site's secret and the setting `model`. With Bedrock do what the message says.",
    )
    BUILD_FAILED = (
        "build_failed",
        ErrorSource.BUILD,
        "The site stays as it was; the edit is kept and pushed. Ask to correct the error in the message, "
        "or to take the edit back.",
    )
    BUILD_VARIABLE_MISSING = (
        "build_variable_missing",
        ErrorSource.BUILD,
        "The site stays as it was; the edit is kept and pushed, and goes live with the session's next edit. Name the variable "
        "in `buildEnvironment` of the site and deploy; store a secret's value as the message or docs/configuration.md says.",
    )
    OUTPUT_MISSING = (
        "output_missing",
        ErrorSource.BUILD,
        "The site stays as it was; the edit is kept and pushed. Set `output` of the site to the folder that the build writes, "
        "below `directory`, and deploy. Or ask to let the build write dist.",
    )
    UNPUBLISHABLE_NAME = (
        "unpublishable_name",
        ErrorSource.BUILD,
        "Rename the file named in the message: at most 1,024 bytes of UTF-8, no control characters. "
        "The site stays as it was; the edit is kept and pushed.",
    )
    SITE_TOO_LARGE = (
        "site_too_large",
        ErrorSource.BUILD,
        "Let the build make fewer or smaller files than the limit in the message. "
        "The site stays as it was; the edit is kept and pushed.",
    )
    ROOT_PAGE_MISSING = (
        "root_page_missing",
        ErrorSource.JUDGE,
        "The site stays as it was; the edit is kept and pushed. Ask to let the build write index.html at the top of its "
        'output. If the page shall go, an operator sends a command of this session with `allow: ["root_page_missing"]` '
        "(`sitewright send --session ID --allow root_page_missing`).",
    )
    PAGES_MISSING = (
        "pages_missing",
        ErrorSource.JUDGE,
        "The site stays as it was; the edit is kept and pushed. Make the named pages' source answer again, and send any "
        'command. If the pages shall go, an operator sends a command of this session with `allow: ["pages_missing"]` '
        "(`sitewright send --session ID --allow pages_missing`).",
    )
    BROKEN_REFERENCES = (
        "broken_references",
        ErrorSource.JUDGE,
        "The site stays as it was; the edit is kept and pushed. Ask to correct the named paths or to add the files. "
        'If another server answers there, an operator sends a command of this session with `allow: ["broken_references"]` '
        "(`sitewright send --session ID --allow broken_references`).",
    )
    SERVER_CODE = (
        "server_code",
        ErrorSource.JUDGE,
        "The site stays as it was; the edit is kept and pushed. Ask for a static build without a server adapter. "
        'If everybody may read the named files, an operator sends a command of this session with `allow: ["server_code"]` '
        "(`sitewright send --session ID --allow server_code`).",
    )
    LFS_POINTERS = (
        "lfs_pointers",
        ErrorSource.JUDGE,
        "The site stays as it was; the edit is kept and pushed. Store the named files in git itself, without LFS, or on the "
        "LFS server that the repository names. To publish the pointers, an operator sends a command of this "
        'session with `allow: ["lfs_pointers"]` (`sitewright send --session ID --allow lfs_pointers`).',
    )
    PUBLISH_FAILED = (
        "publish_failed",
        ErrorSource.BUILD,
        "The next command publishes again. Check that the workspace role may write the site bucket.",
    )
    LIVE_CONFLICT = (
        "live_conflict",
        ErrorSource.BUILD,
        "The site stays as it was; the edit is kept on the session's branch and pushed. Send the wish again in a new "
        "session, which begins at what is live, or merge the commit named in the message into the branch by hand. After the "
        "repository was replaced, deploy it with `sessions: isolated`, send an edit, and set `sessions` back.",
    )
    LIVE_UNREACHABLE = (
        "live_unreachable",
        ErrorSource.BUILD,
        "The site stays as it was; the edit is kept, and goes live with the session's next edit. "
        "Check that the git host answers. If it has lost the commit, deploy the site with `sessions: isolated`, send an edit, "
        "and set `sessions` back.",
    )
    INVALIDATION_FAILED = (
        "invalidation_failed",
        ErrorSource.BUILD,
        "The site is published; CloudFront may still serve older copies of files that are cached for long: "
        "invalidate /* of the distribution by hand, or let the next publish do it.",
    )
    SYNC_CHECK_FAILED = (
        "sync_check_failed",
        ErrorSource.RECORD_SYNC,
        "The site is published, its bookkeeping is not: see the record_sync log; the next run repeats it.",
    )
    GIT_AUTH_FAILED = (
        "git_auth_failed",
        ErrorSource.GIT,
        "Put a token with write access to the repository into the site's git token secret. The edits are kept in the "
        "checkpoint and go out with the session's next edit. "
        "With `github-app`, do what the message says.",
    )
    GIT_UNAVAILABLE = (
        "git_unavailable",
        ErrorSource.GIT,
        "The git host did not answer. The edits are kept in the checkpoint and go out with the next command.",
    )
    FILE_TOO_LARGE = (
        "file_too_large",
        ErrorSource.WORKSPACE,
        "Ask to remove the files named in the message, to make them smaller, or to keep them elsewhere. "
        "The other edits are kept and pushed.",
    )
    TOO_MANY_FILES = (
        "too_many_files",
        ErrorSource.WORKSPACE,
        "Ask to remove the new files in the folders named in the message, or to let git ignore them. "
        "The other edits are kept and pushed.",
    )
    OBJECTS_REFUSED = (
        "objects_refused",
        ErrorSource.PUSH,
        "The session's commits hold what git's checks refuse: see the message. The edits are kept in the checkpoint. "
        "Ask to make the edit again in a new session.",
    )
    REPOSITORY_EMPTY = (
        "repository_empty",
        ErrorSource.GIT,
        "Push a first commit to the repository's default branch, then send the command again.",
    )
    PUSH_CONFLICT = (
        "push_conflict",
        ErrorSource.PUSH,
        "Merge the rescue branch named in the message into the session's branch by hand.",
    )
    PUSH_FAILED = (
        "push_failed",
        ErrorSource.PUSH,
        "See the git host's answer in the message, and let the host accept such commits. The edits are kept in the checkpoint "
        "and go out with the session's next edit.",
    )
    PUSH_SECRET = (
        "push_secret",
        ErrorSource.HOST,
        "Ask to remove the secret from the files named in the message, and replace it where it is valid. If it is none, "
        'allow it at the git host, and an operator sends a command with `allow: ["push_secret"]` '
        "(`sitewright send --allow push_secret`).",
    )
    PUSH_LARGE_FILE = (
        "push_large_file",
        ErrorSource.HOST,
        "Ask to remove the files named in the message, to make them smaller, or to keep them elsewhere.",
    )
    PUSH_WORKFLOW = (
        "push_workflow",
        ErrorSource.HOST,
        "Ask to take the change of the named workflow back. Or give the token the scope `workflow` (a fine-grained token or "
        'a GitHub App: write access to workflows), and an operator sends a command with `allow: ["push_workflow"]`.',
    )
    PUSH_TOO_LARGE = (
        "push_too_large",
        ErrorSource.PUSH,
        "Ask to make large pictures and files smaller. Or let the git host, or the proxy before it, take larger pushes.",
    )
    PUSH_UNSIGNED = (
        "push_unsigned",
        ErrorSource.PUSH,
        "Set `signCommits` of the site, and store the key that the message names; its public half belongs to the account of "
        "`commitAuthor` at the git host. Or exempt the token's account from the rule that commits must be signed.",
    )
    PUSH_COMMIT_RULES = (
        "push_commit_rules",
        ErrorSource.PUSH,
        "Set `commitAuthor` of the site to an author that the rule in the message accepts, or exempt the token's account.",
    )
    PUSH_BRANCH_REFUSED = (
        "push_branch_refused",
        ErrorSource.PUSH,
        "Set `branchPrefix` of the site to names that the git host's rules accept, or exempt the token's account from them.",
    )
    WORKSPACE_CRASHED = (
        "workspace_crashed",
        ErrorSource.WORKSPACE,
        "Send the command again; if it happens twice, read the diagnosis and the workspace's log.",
    )
    WORKSPACE_CANNOT_START = (
        "workspace_cannot_start",
        ErrorSource.WORKSPACE,
        "Send the command again; if it happens twice, check image, secrets, subnets and roles.",
    )
    NO_CAPACITY = (
        "no_capacity",
        ErrorSource.RUN,
        "All workspaces that the account may run at once are at work: send the command again in some minutes. "
        "Raise the quota `Fargate On-Demand vCPU resource count` of AWS Fargate in the Service Quotas console.",
    )
    WORKSPACE_BUSY = (
        "workspace_busy",
        ErrorSource.WORKSPACE,
        "Another workspace of this session did not finish in time: send the command again.",
    )
    RUN_STOPPED = "run_stopped", ErrorSource.RUN, "Somebody stopped the run. Send the command again if it should go on."
    RUN_TIMED_OUT = (
        "run_timed_out",
        ErrorSource.RUN,
        "Ask for a smaller change, or raise `runTimeoutSeconds` of the site.",
    )
    INTERRUPTED = "interrupted", ErrorSource.RUN, "Nothing to do: the newer command carries on from the saved edits."
    INTERNAL = (
        "internal_error",
        ErrorSource.ANY,
        "Open the run in the Step Functions console; report the error with its commandId.",
    )


ALLOWABLE = tuple(code for code in ErrorCode if code.reporter in {ErrorSource.JUDGE, ErrorSource.HOST})
"""The refusals of a publish that a command may allow."""


class ErrorInfo(Contract):
    """The `error` of a response and of a step's result: code, message and remedy."""

    code: ErrorCode
    message: str
    remedy: str

    @classmethod
    def of(cls, code: ErrorCode, message: str) -> "ErrorInfo":
        """Makes an error with the catalogue's remedy. Masks what looks like a secret; cuts at 2,000 characters."""
        return cls(code=code, message=masked(message)[:2000], remedy=code.remedy)
