"""Why a git host refused a push, in the words of real hosts."""

import pytest
from workspace.repository.git_errors import Refusal, classify
from workspace.repository.host_rules.refused_push import FOLDABLE, read

from sitewright.contracts.error_codes import ErrorCode

TAIL = "\n ! [remote rejected] 1a2b -> thread-t1 ({why})\nerror: failed to push some refs to 'https://github.com/a/b'\n"

GITHUB_SECRET = """remote: error: GH013: Repository rule violations found for refs/heads/main.
remote:
remote: - GITHUB PUSH PROTECTION
remote:   —————————————————————————————————————————
remote:     Resolve the following violations before pushing again
remote:
remote:     - Push cannot contain secrets
remote:
remote:      (?) Learn how to resolve a blocked push
remote:      https://docs.github.com/code-security/secret-scanning/pushing-a-branch-blocked-by-push-protection
remote:
remote:       —— GitHub Personal Access Token ——————————————————————
remote:        locations:
remote:          - commit: 5477a7dd26384ed3c8b3814ee677f755ad27a597
remote:            path: src/api/github.ts:34
remote:          - commit: 5477a7dd26384ed3c8b3814ee677f755ad27a597
remote:            path: public/a page.html:2
remote:
remote:        (?) To push, remove secret from commit(s) or follow this URL to allow the secret.
remote:        https://github.com/a/b/security/secret-scanning/unblock-secret/2gakJrAududURpxlhIZdNlX14ZZ""" + TAIL.format(
    why="push declined due to repository rule violations"
)
GITLAB_SECRET = """remote: PUSH BLOCKED: Secrets detected in code changes
remote: Secret push protection found the following secrets in commit: 37e54de5e78c31d9e3c3821fd15f7069e3d375b6
remote:
remote: -- test.txt:2 GitLab Personal Access Token
remote:
remote: To push your changes you must remove the identified secrets.""" + TAIL.format(why="pre-receive hook declined")
GITHUB_LARGE = """remote: error: Trace: 654c8d72f32f9965c4734092a2fb75d32fe2a39f6d10881c1465db48addc3ea4
remote: error: See https://gh.io/lfs for more information.
remote: error: File public/our film.mp4 is 301.74 MB; this exceeds GitHub's file size limit of 100.00 MB
remote: error: File a.zip is 201.35  MB; this exceeds GitHub's file size limit of 100.00 MB
remote: error: GH001: Large files detected. You may want to try Git Large File Storage.""" + TAIL.format(
    why="pre-receive hook declined"
)
GITLAB_LARGE_FREE = """remote: GitLab: You are attempting to check in one or more files which exceed the 100MiB limit:

- 257cc5642cb1a054f08cc83f2d943e56fd3ebe99 (123 MiB)
- 5716ca5987cbf97d6bb54920bea6adde242d87e6 (396 MiB)

Please refer to https://docs.gitlab.com/ee/user/free_user_limit.html for further information.""" + TAIL.format(
    why="pre-receive hook declined"
)
GITLAB_LARGE_RULE = (
    'remote: GitLab: File "big file" is larger than the allowed size of 1 MB. Use Git LFS to manage this file.'
    + TAIL.format(why="pre-receive hook declined")
)
WORKFLOW_TOKEN = TAIL.format(
    why="refusing to allow a Personal Access Token to create or update workflow `.github/workflows/a.yml` "
    "without `workflow` scope"
)
WORKFLOW_APP = TAIL.format(
    why="refusing to allow a GitHub App to create or update workflow `.github/workflows/a.yml` "
    "without `workflows` permission"
)
GITHUB_UNSIGNED = """remote: error: GH013: Repository rule violations found for refs/heads/thread-t1.
remote: Review all repository rules at https://github.com/a/b/rules?ref=refs%2Fheads%2Fthread-t1
remote:
remote: - Commits must have verified signatures.
remote:   Found 1 violation:
remote:
remote:   027faa7121ee9df79db623e1a2848d2cc88a8dba""" + TAIL.format(
    why="push declined due to repository rule violations"
)
GITLAB_UNSIGNED = "remote: GitLab: Commit must be signed with a GPG key" + TAIL.format(why="pre-receive hook declined")
GITHUB_BRANCH = """remote: error: GH013: Repository rule violations found for refs/heads/thread-t1.
remote:
remote: - Cannot create ref due to creations being restricted.""" + TAIL.format(
    why="push declined due to repository rule violations"
)
GITLAB_BRANCH = "remote: GitLab: Branch name does not follow the pattern '^(feature|hotfix)/.*'" + TAIL.format(
    why="pre-receive hook declined"
)
PROTECTED = "remote: error: GH006: Protected branch update failed for refs/heads/x." + TAIL.format(
    why="protected branch hook declined"
)
GITLAB_MESSAGE = "remote: GitLab: Commit message does not follow the pattern 'JIRA-\\d+'" + TAIL.format(
    why="pre-receive hook declined"
)
GITLAB_EMAIL = (
    "remote: GitLab: Author's email 'sitewright@sitewright.invalid' does not follow the pattern '@example.com$'"
    + TAIL.format(why="pre-receive hook declined")
)
GITHUB_EMAIL = "remote: error: GH007: Your push would publish a private email address." + TAIL.format(
    why="push declined due to email privacy restrictions"
)
GITLAB_NAME = 'remote: GitLab: File name id_rsa was prohibited by the pattern "id_rsa$".' + TAIL.format(
    why="pre-receive hook declined"
)
HTTP_413 = """error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413
send-pack: unexpected disconnect while reading sideband packet
fatal: the remote end hung up unexpectedly
Everything up-to-date
"""
OLD_413 = "error: RPC failed; result=22, HTTP code = 413\nfatal: The remote end hung up unexpectedly\n"
BITBUCKET_FULL = (
    "remote: Repository is over the size limit (4 GB) and will not accept further additions."
    + TAIL.format(why="pre-receive hook declined")
)
BITBUCKET_PUSH = "remote: fatal: pack exceeds maximum allowed size.\n" + TAIL.format(why="failed")
OWN_HOOK = "remote: No pushes on Friday" + TAIL.format(why="pre-receive hook declined")


@pytest.mark.parametrize(
    ("output", "code", "files"),
    [
        (GITHUB_SECRET, ErrorCode.PUSH_SECRET, ("src/api/github.ts:34", "public/a page.html:2")),
        (GITLAB_SECRET, ErrorCode.PUSH_SECRET, ("test.txt:2",)),
        (GITHUB_LARGE, ErrorCode.PUSH_LARGE_FILE, ("public/our film.mp4 (301.74 MB)", "a.zip (201.35 MB)")),
        (
            GITLAB_LARGE_FREE,
            ErrorCode.PUSH_LARGE_FILE,
            ("public/film.mp4 (123 MiB)", "5716ca5987cbf97d6bb54920bea6adde242d87e6 (396 MiB)"),
        ),
        (GITLAB_LARGE_RULE, ErrorCode.PUSH_LARGE_FILE, ("big file",)),
        (WORKFLOW_TOKEN, ErrorCode.PUSH_WORKFLOW, (".github/workflows/a.yml",)),
        (WORKFLOW_APP, ErrorCode.PUSH_WORKFLOW, (".github/workflows/a.yml",)),
        (GITHUB_UNSIGNED, ErrorCode.PUSH_UNSIGNED, ()),
        (GITLAB_UNSIGNED, ErrorCode.PUSH_UNSIGNED, ()),
        (GITHUB_BRANCH, ErrorCode.PUSH_BRANCH_REFUSED, ()),
        (GITLAB_BRANCH, ErrorCode.PUSH_BRANCH_REFUSED, ()),
        (PROTECTED, ErrorCode.PUSH_BRANCH_REFUSED, ()),
        (GITLAB_MESSAGE, ErrorCode.PUSH_COMMIT_RULES, ()),
        (GITLAB_EMAIL, ErrorCode.PUSH_COMMIT_RULES, ()),
        (GITHUB_EMAIL, ErrorCode.PUSH_COMMIT_RULES, ()),
        (GITLAB_NAME, ErrorCode.PUSH_COMMIT_RULES, ("id_rsa",)),
        (HTTP_413, ErrorCode.PUSH_TOO_LARGE, ()),
        (OLD_413, ErrorCode.PUSH_TOO_LARGE, ()),
        (BITBUCKET_FULL, ErrorCode.PUSH_TOO_LARGE, ()),
        (BITBUCKET_PUSH, ErrorCode.PUSH_TOO_LARGE, ()),
        (OWN_HOOK, ErrorCode.PUSH_FAILED, ()),
    ],
)
def test_a_hosts_words_tell_the_cause_and_the_files(output: str, code: ErrorCode, files: tuple[str, ...]) -> None:
    names = {"257cc5642cb1a054f08cc83f2d943e56fd3ebe99": "public/film.mp4"}
    refused = read(output, names.get)
    assert (refused.code, refused.files) == (code, files)
    assert classify(output) is Refusal.REJECTED, "it must not be tried again for a minute"
    message = refused.message("thread-t1")
    assert message.startswith("The git host") and all(name in message for name in files)
    assert (code in FOLDABLE) == (code not in {ErrorCode.PUSH_BRANCH_REFUSED, ErrorCode.PUSH_UNSIGNED})


def test_the_hosts_own_words_stay_in_the_message() -> None:
    assert "No pushes on Friday" in read(OWN_HOOK).message("thread-t1")
    assert "thread-t1" in read(GITHUB_BRANCH).message("thread-t1").splitlines()[0]


def test_many_files_are_counted() -> None:
    many = "".join(f"remote: error: File {n}.zip is 1.0 GB; this exceeds GitHub's file size limit\n" for n in range(15))
    assert "9.zip (1.0 GB) and 5 more." in read(many).message("b")
