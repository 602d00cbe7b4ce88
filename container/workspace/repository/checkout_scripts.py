"""Shell lines that run in the checkout, as the guest. One process does what several commands of git would."""

BEGIN = (
    'git init --quiet --template= --initial-branch="$1" && git config remote.origin.url "$2"'
    " && git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'"
)

SNAPSHOT_COMMIT = (
    'date=$(git show --no-patch --format=%cI "$1") || exit; export GIT_AUTHOR_DATE="$date" GIT_COMMITTER_DATE="$date"; '
    'commit=$(git commit-tree "$2" -p "$1" -m "$3") && git update-ref "$4" "$commit" && printf "%s\\n" "$commit"'
)
"""Commits a tree and prints the commit. $1: the parent, which gives the date. $2: the tree. $3: the message. $4: a ref for it."""

POSITION = "git rev-parse --quiet --verify 'HEAD^{commit}' || echo; git symbolic-ref --quiet HEAD || echo"
"""Prints the commit of HEAD and its branch, a line each, which may be empty."""

COMMIT = (
    '[ -n "$1" ] || ! git diff --cached --quiet --no-ext-diff || exit 0\n'
    "git commit --quiet --no-verify --cleanup=whitespace --allow-empty-message -F - $2"
    " && git rev-parse --verify 'HEAD^{commit}'"
)
"""Commits what is staged, with the message from stdin. $1: commits although nothing is staged. $2: a further option."""

COMMIT_SECONDS = 120.0
"""The limit for staging and committing. Filters of the repository may be slow."""

CLEAR_LOCKS = "find .git -maxdepth 1 -name '*.lock' -delete; find .git/refs -name '*.lock' -delete"
