"""Git credentials of a GitHub App: tokens of one hour for one repository, kept in memory only."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor
from sitewright.contracts.error_codes import ErrorCode
from sitewright.contracts.secrets.secret_text import SecretTextError
from workspace.credentials.app_jwt import sign_jwt
from workspace.credentials.app_secret import AppSecret, parse_app
from workspace.credentials.github_api import Answer, GitHubApi
from workspace.credentials.github_refusals import MAX_SKEW_SECONDS, explain, passes
from workspace.credentials.github_repository import GitHubRepository
from workspace.errors import CredentialsUnavailable, StepFailed, WorkspaceError

LIFETIME_SECONDS = 3600.0
"""GitHub's lifetime of an installation token."""

MARGIN_SECONDS = 300.0
"""A token is replaced this long before its end, so that a git command that begins with it can finish."""

FRESH_SECONDS = 10.0
"""GitHub's git servers may refuse a token in its first seconds (octokit/auth-app.js issue 589)."""

PERMISSIONS = {"contents": "write"}
"""What a token may do. GitHub adds the reading of metadata."""


@dataclass(frozen=True)
class _Minted:
    token: str = field(repr=False)
    since: float
    until: float


class GitHubApp:
    """Mints tokens at their first use. Safe to use from any thread."""

    def __init__(
        self,
        repository: GitHubRepository,
        api: GitHubApi,
        read: Callable[[], str],
        log: Callable[..., None],
        hide: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`read` returns the text of the App's secret, or raises StepFailed. `now` is the machine's own clock."""
        self._repository = repository
        self._api = api
        self._read = read
        self._log = log
        self._hide = hide
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._skew = 0.0
        self._slug = ""
        self._minted: _Minted | None = None
        self._author: CommitAuthor | None = None
        self._lock = threading.Lock()

    def token(self) -> str:
        """Returns a token that lives for at least MARGIN_SECONDS.

        Raises StepFailed (GIT_AUTH_FAILED), CredentialsUnavailable (try again).
        """
        with self._lock:
            if self._minted is None or self._clock() >= self._minted.until:
                self._minted = None
                self._minted = self._mint()
            return self._minted.token

    def renew(self) -> bool:
        """Gives up a token that the git host refused. A fresh one is kept, and is worth a second attempt."""
        with self._lock:
            if self._minted is not None and self._clock() - self._minted.since < FRESH_SECONDS:
                self._sleep(1.0)
            else:
                self._minted = None
        return True

    def log_to(self, log: Callable[..., None]) -> None:
        """Logs to the present step's log from now on."""
        self._log = log

    def author(self) -> CommitAuthor:
        """Returns the App's bot. If GitHub does not tell it, logs that and returns DEFAULT_AUTHOR."""
        if self._author is None:
            try:
                self._author = self._bot(self.token())
            except WorkspaceError as error:
                self._log(
                    "the GitHub App's bot is not known, commits get the default author",
                    level="warning",
                    error=str(error),
                )
                return DEFAULT_AUTHOR
        return self._author

    def _bot(self, token: str) -> CommitAuthor:
        login = f"{self._slug}[bot]"
        answer = self._api.call("GET", f"/users/{quote(login)}", token)
        if not self._slug or answer.status != 200 or not isinstance(answer.body.get("id"), int):
            raise CredentialsUnavailable(f"GitHub answers {answer.status} about the user {login!r}")
        return CommitAuthor(name=login, email=f"{answer.body['id']}+{login}@{self._repository.noreply}")

    def _mint(self) -> _Minted:
        began, repository = self._clock(), self._repository
        app = self._app()
        found = self._as_app(app, "GET", f"{repository.path}/installation")
        self._slug = str(found.body.get("app_slug") or "")
        answer = self._as_app(
            app,
            "POST",
            f"/app/installations/{_told(found, 'id')}/access_tokens",
            {"repositories": [repository.name], "permissions": PERMISSIONS},
        )
        token = _told(answer, "token")
        self._hide(token)
        self._log("token of the GitHub App minted", repository=repository.full_name, permissions=PERMISSIONS)
        return _Minted(token, since=self._clock(), until=began + self._lifetime(answer) - MARGIN_SECONDS)

    def _lifetime(self, answer: Answer) -> float:
        # By GitHub's own clock at both ends: the machine's may be wrong.
        try:
            end = datetime.fromisoformat(str(answer.body["expires_at"])).timestamp()
        except (KeyError, ValueError):
            return LIFETIME_SECONDS
        began = answer.time if answer.time is not None else self._now() + self._skew
        return min(max(end - began, 0.0), LIFETIME_SECONDS)

    def _app(self) -> AppSecret:
        text = self._read()
        self._hide(text)
        try:
            app = parse_app(text)
        except SecretTextError as error:
            raise _failed(f"The GitHub App's secret {error}") from error
        self._hide(app.private_key)
        for line in app.private_key.splitlines()[1:-1]:
            self._hide(line)
        return app

    def _as_app(self, app: AppSecret, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Sends a request as the App. Corrects the clock once. Raises StepFailed, CredentialsUnavailable."""
        answer = self._signed(app, method, path, body)
        skew = answer.time - self._now() if answer.time is not None else None
        if answer.status == 401 and skew is not None and abs(skew - self._skew) > MAX_SKEW_SECONDS:
            self._log("the clock differs from GitHub's", level="warning", seconds=round(skew))
            self._skew = skew
            answer = self._signed(app, method, path, body)
        if 200 <= answer.status < 300:
            return answer
        if passes(answer):
            raise CredentialsUnavailable(f"GitHub's API answers {answer.status} {answer.message}".strip())
        raise _failed(explain(answer, self._repository, app.app_id, skew))

    def _signed(self, app: AppSecret, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        try:
            jwt = sign_jwt(app, self._now() + self._skew)
        except SecretTextError as error:
            raise _failed(f"The GitHub App's secret {error}") from error
        self._hide(jwt)
        return self._api.call(method, path, jwt, body)


def _told(answer: Answer, name: str) -> str:
    value = answer.body.get(name)
    if not isinstance(value, str | int) or not str(value):
        raise CredentialsUnavailable(f"GitHub's API answers {answer.status} without {name!r}")
    return str(value)


def _failed(message: str) -> StepFailed:
    return StepFailed(ErrorCode.GIT_AUTH_FAILED, f"{message}.")
