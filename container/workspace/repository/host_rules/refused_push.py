"""Reads why a git host refused a push, in the host's own words. Pure.

Where the words come from:

- GitHub, secrets: https://github.com/palxiao/poster-design/issues/140; large files:
  https://github.com/git-lfs/git-lfs/issues/6330; workflows: https://github.com/flashcatcloud/categraf/issues/34;
  signatures: https://github.com/vercel/sandbox/pull/169; branches: https://github.com/dmf-mxl/mxl/issues/356.
- GitLab, secrets: https://docs.gitlab.com/ee/user/application_security/secret_detection/secret_push_protection/;
  large files: https://docs.gitlab.com/ee/user/free_push_limit.html; push rules:
  `ee/lib/ee/gitlab/checks` of its sources, https://docs.gitlab.com/ee/user/project/repository/push_rules.html.
- Bitbucket Cloud, size: https://support.atlassian.com/bitbucket-cloud/docs/reduce-repository-size/. Its words about one
  large file (https://community.atlassian.com/t5/Bitbucket-articles/ba-p/2629017) are unconfirmed.
- Gitea and Forgejo, signatures: `routers/private/hook_pre_receive.go` of their sources.
- HTTP 413, from a host or a proxy before it: https://github.com/go-gitea/gitea/issues/32839.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sitewright.contracts.error_codes import ErrorCode
from workspace.repository.git_errors import host_words

_NAMED = 10
"""How many files a message names."""

_SAYS: Mapping[ErrorCode, re.Pattern[str]] = {
    ErrorCode.PUSH_SECRET: re.compile(r"push cannot contain secrets|PUSH PROTECTION|PUSH BLOCKED: Secrets|GH009", re.I),
    ErrorCode.PUSH_WORKFLOW: re.compile(
        r"to create or update workflow|without `workflows?` (?:scope|permission)", re.I
    ),
    ErrorCode.PUSH_LARGE_FILE: re.compile(
        r"GH001|exceeds GitHub's file size limit|is larger than the allowed size of|(?:files|blobs) which exceed the"
        r"|files? exceed\w* the (?:file )?size limit",
        re.I,
    ),
    ErrorCode.PUSH_TOO_LARGE: re.compile(
        r"HTTP(?: code =)? 413|HTTP code = 413|returned error: 413|pack exceeds maximum allowed size"
        r"|over (?:the|\d+ \wB) size limit|repository is in read only mode",
        re.I,
    ),
    ErrorCode.PUSH_UNSIGNED: re.compile(
        r"must have verified signatures|commit must be signed|protected from unverified commit", re.I
    ),
    ErrorCode.PUSH_COMMIT_RULES: re.compile(
        r"commit message does not|e-?mail '[^']*' (?:does not follow|is not verified)|is not a member of team"
        r"|cannot push commits for|comm?itter'?s? email|GH007|private email address"
        r"|file name .{1,300} was (?:blacklisted|prohibited)",
        re.I,
    ),
    ErrorCode.PUSH_BRANCH_REFUSED: re.compile(
        r"creations? being restricted|branch name|changes must be made through a pull request|protected branch|GH006"
        r"|TF402455|not allowed to push code to protected branches|prohibited by gerrit|updates? being restricted",
        re.I,
    ),
}
"""What a host says, by the kind of refusal, in the order in which it is looked for."""

_SENTENCES: Mapping[ErrorCode, str] = {
    ErrorCode.PUSH_SECRET: "The git host found a secret in {files}.",
    ErrorCode.PUSH_WORKFLOW: "The git host takes no change of a GitHub Actions workflow with this token: {files}.",
    ErrorCode.PUSH_LARGE_FILE: "The git host takes no file of this size: {files}.",
    ErrorCode.PUSH_TOO_LARGE: "The git host takes no push of this size.",
    ErrorCode.PUSH_UNSIGNED: "The git host takes signed commits only.",
    ErrorCode.PUSH_COMMIT_RULES: "The git host's rules refuse the commits' author, message or names of files.",
    ErrorCode.PUSH_BRANCH_REFUSED: "The git host's rules refuse the branch {branch}.",
    ErrorCode.PUSH_FAILED: "The git host refuses.",
}

# GitHub: "path: src/api.ts:34"; GitLab: "-- test.txt:2 GitLab Personal Access Token".
_SECRET = re.compile(r"^(?:path:\s*(?P<github>\S.*)|--\s+(?P<gitlab>\S.*?:\d+)\s+\S.*)$", re.MULTILINE)
_WORKFLOW = re.compile(r"workflow `(?P<file>[^`\n]{1,500})`")
_LARGE = re.compile(
    r"\bFile (?P<github>\S.{0,500}?) is\s+(?P<size>[\d.]+\s+[KMGT]B); this exceeds"
    r"|\bFile \"(?P<gitlab>.{1,500}?)\" is larger than"
    r"|^-\s*(?P<object>[0-9a-f]{40,64}) \((?P<object_size>[\d.]+ [KMGT]i?B)\)$",
    re.MULTILINE,
)
_FILE_NAME = re.compile(r"File name (?P<file>\S.{0,300}?) was (?:blacklisted|prohibited)", re.IGNORECASE)

FOLDABLE = frozenset(_SENTENCES) - {ErrorCode.PUSH_BRANCH_REFUSED, ErrorCode.PUSH_UNSIGNED}
"""Refusals of what the commits hold. Once its cause is gone from the files, one clean commit in their place passes."""


@dataclass(frozen=True)
class RefusedPush:
    """Why a git host refused a push."""

    code: ErrorCode
    files: tuple[str, ...] = ()
    """Paths as the host names them, with a line or a size."""
    words: str = ""
    """The host's own lines."""

    def message(self, branch: str) -> str:
        """Returns the message of the error: what was refused and where, then the host's own words."""
        more = f" and {len(self.files) - _NAMED} more" if len(self.files) > _NAMED else ""
        files = ", ".join(self.files[:_NAMED]) + more
        sentence = _SENTENCES[self.code].format(files=files or "the commits", branch=branch)
        return f"{sentence}\n{self.words}" if self.words else sentence


def read(output: str, path_of: Callable[[str], str | None] = lambda _: None) -> RefusedPush:
    """Returns why git's output says that a push was refused. PUSH_FAILED: the host says something else.

    `path_of` returns the path of an object's id, for hosts that name no path.
    """
    said = "\n".join(line.removeprefix("remote:").strip() for line in output.splitlines())
    code = next((code for code, says in _SAYS.items() if says.search(said)), ErrorCode.PUSH_FAILED)
    return RefusedPush(code, tuple(dict.fromkeys(_files(code, said, path_of))), host_words(output))


def _files(code: ErrorCode, said: str, path_of: Callable[[str], str | None]) -> list[str]:
    match code:
        case ErrorCode.PUSH_SECRET:
            return [(found["github"] or found["gitlab"]).strip() for found in _SECRET.finditer(said)]
        case ErrorCode.PUSH_WORKFLOW:
            return [found["file"] for found in _WORKFLOW.finditer(said)]
        case ErrorCode.PUSH_LARGE_FILE:
            return [_large(found, path_of) for found in _LARGE.finditer(said)]
        case ErrorCode.PUSH_COMMIT_RULES:
            return [found["file"] for found in _FILE_NAME.finditer(said)]
        case _:
            return []


def _large(found: re.Match[str], path_of: Callable[[str], str | None]) -> str:
    if found["object"]:
        return f"{path_of(found['object']) or found['object']} ({found['object_size']})"
    if found["gitlab"]:
        return str(found["gitlab"])
    return f"{found['github'].strip()} ({' '.join(found['size'].split())})"
