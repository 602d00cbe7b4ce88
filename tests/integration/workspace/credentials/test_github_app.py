"""A GitHub App against a stand-in for GitHub: least rights, lifetimes, and errors that say what to do."""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from workspace.credentials.github_api import GitHubApi
from workspace.credentials.github_app import FRESH_SECONDS, MARGIN_SECONDS, GitHubApp
from workspace.credentials.github_repository import GitHubRepository
from workspace.errors import CredentialsUnavailable, StepFailed
from workspace.system.json_log import Log

from sitewright.contracts.commit_author import DEFAULT_AUTHOR
from sitewright.contracts.error_codes import ErrorCode
from tests.support.workspace.github_double import (
    APP_ID,
    BOT_ID,
    INSTALLATION,
    NAME,
    OWNER,
    SLUG,
    GitHub,
    new_key,
    pem,
    serve_github,
)

KEY, OTHER_KEY = new_key(), new_key()
SECRET = json.dumps({"appId": APP_ID, "privateKey": pem(KEY)})
MINTING = [
    f"GET /api/v3/repos/{OWNER}/{NAME}/installation",
    f"POST /api/v3/app/installations/{INSTALLATION}/access_tokens",
]


@dataclass
class World:
    """The App's client, its clocks, and its log."""

    github: GitHub
    secret: str = SECRET
    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)
    stream: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        log, repository = Log(self.stream), GitHubRepository.of(self.github.url)
        self.log = log
        self.app = GitHubApp(
            repository,
            GitHubApi(repository.api),
            lambda: self.secret,
            log,
            log.hide,
            clock=lambda: self.seconds,
            sleep=self.slept.append,
        )

    def refused(self) -> str:
        """Asks for a token and returns the error's message."""
        with pytest.raises(StepFailed) as failed:
            self.app.token()
        assert failed.value.error.code is ErrorCode.GIT_AUTH_FAILED
        assert failed.value.error.message.endswith(".") and "\n" not in failed.value.error.message
        return failed.value.error.message


@pytest.fixture
def world() -> Iterator[World]:
    with serve_github(GitHub(KEY)) as github:
        yield World(github)


def test_a_token_is_for_one_repository_and_its_contents_only(world: World) -> None:
    assert world.app.token() == world.github.minted[0]
    assert world.github.limits == [{"repositories": [NAME], "permissions": {"contents": "write"}}]
    assert world.github.asked == MINTING


def test_a_token_is_kept_until_shortly_before_its_end(world: World) -> None:
    first = world.app.token()
    world.seconds += 3600 - MARGIN_SECONDS - 5
    assert world.app.token() == first
    world.seconds += 10
    second = world.app.token()
    assert second != first and world.github.minted == [first, second]


def test_a_shorter_lifetime_is_heeded(world: World) -> None:
    world.github.lifetime = MARGIN_SECONDS + 60
    first = world.app.token()
    world.seconds += 50
    assert world.app.token() == first
    world.seconds += 15
    assert world.app.token() != first


def test_threads_share_one_token(world: World) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(world.app.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == world.github.minted * 8


def test_a_refused_token_is_replaced_but_not_in_its_first_seconds(world: World) -> None:
    first = world.app.token()
    assert world.app.renew() and world.app.token() == first and world.slept
    world.seconds += FRESH_SECONDS + 1
    assert world.app.renew() and world.app.token() != first


def test_the_author_is_the_apps_bot_and_asked_for_once(world: World) -> None:
    for _ in range(2):
        assert str(world.app.author()) == f"{SLUG}[bot] <{BOT_ID}+{SLUG}[bot]@users.noreply.127.0.0.1>"
    assert world.github.asked == [*MINTING, f"GET /api/v3/users/{SLUG}%5Bbot%5D"]


@pytest.mark.parametrize("failures", [[503], [404]])
def test_without_the_bots_identity_the_author_is_the_default(world: World, failures: list[int]) -> None:
    world.github.failures = failures
    assert world.app.author() == DEFAULT_AUTHOR
    assert "commits get the default author" in world.stream.getvalue()
    assert world.app.author() != DEFAULT_AUTHOR, "a later workspace's question is a new one"


@pytest.mark.parametrize("ahead", [-3000.0, -90.0, -40.0, 40.0, 300.0, 7200.0])
def test_a_wrong_clock_is_corrected_by_githubs(world: World, ahead: float) -> None:
    world.github.ahead = ahead
    first = world.app.token()
    world.seconds += 3600 - MARGIN_SECONDS - 10
    assert world.app.token() == first, "the token's end is by GitHub's clock"


def test_the_app_is_not_installed_on_the_repository(world: World) -> None:
    world.github.repositories = {"another"}
    message = world.refused()
    assert "not installed on bakery/site" in message and "install it" in message
    world.github.repositories = {NAME}
    assert world.app.token(), "the next attempt sees the operator's correction"


def test_the_repository_is_not_in_the_installation(world: World) -> None:
    world.github.renamed = f"/api/v3/elsewhere/{OWNER}/{NAME}"
    world.github.failures = []
    real = world.github.answer

    def answer(method: str, path: str, bearer: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
        if "elsewhere" in path:
            return 200, {"id": INSTALLATION, "app_slug": SLUG}
        return real(method, path, bearer, body)

    world.github.answer = answer  # type: ignore[method-assign]
    world.github.repositories = {"renamed"}
    message = world.refused()
    assert "does not have the repository bakery/site" in message and "renamed" in message


def test_the_app_may_not_write_contents(world: World) -> None:
    world.github.granted = {"contents": "read", "metadata": "read"}
    message = world.refused()
    assert "no write access to contents" in message and "accept it" in message


def test_the_installation_is_suspended(world: World) -> None:
    world.github.suspended = True
    message = world.refused()
    assert "suspended" in message and "unsuspend it" in message


def test_another_apps_key(world: World) -> None:
    world.secret = json.dumps({"appId": APP_ID, "privateKey": pem(OTHER_KEY)})
    message = world.refused()
    assert f"refuses the signature of the GitHub App {APP_ID}" in message and "privateKey" in message
    assert len(world.github.asked) == 1, "a wrong key is not a wrong clock"


def test_another_apps_id(world: World) -> None:
    world.secret = json.dumps({"appId": "999", "privateKey": pem(KEY)})
    assert "no App 999" in world.refused()


def test_a_secret_that_is_none(world: World) -> None:
    world.secret = pem(KEY)
    assert "private key alone" in world.refused()
    assert world.github.asked == []


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_github_is_down_for_a_while(world: World, status: int) -> None:
    world.github.failures = [status]
    with pytest.raises(CredentialsUnavailable, match=str(status)):
        world.app.token()
    assert world.app.token()


def test_github_cannot_be_reached() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        github = GitHub(KEY, port=taken.getsockname()[1])
        with pytest.raises(CredentialsUnavailable, match="does not answer"):
            World(github).app.token()


def test_github_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workspace.credentials.github_api.TIMEOUT_SECONDS", 0.3)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        began = time.monotonic()
        with pytest.raises(CredentialsUnavailable, match="does not answer"):
            World(GitHub(KEY, port=mute.getsockname()[1])).app.token()
        assert time.monotonic() - began < 5


def test_no_other_host_gets_the_jwt(world: World) -> None:
    with serve_github(GitHub(KEY)) as other:
        world.github.renamed = f"http://127.0.0.1:{other.port}/api/v3/repos/{OWNER}/{NAME}/installation"
        assert "301" in world.refused()
        assert other.asked == []


def test_no_secret_is_in_the_log_or_in_an_error(world: World) -> None:
    world.app.author()
    for text in (SECRET, pem(KEY), pem(KEY).splitlines()[3], *world.github.minted):
        world.log("a careless line", value=text, nested=[text])
    world.github.suspended = True
    world.seconds += 4000
    said = world.stream.getvalue() + world.refused()
    assert "***" in said
    for secret in (*pem(KEY).splitlines()[1:-1], *world.github.minted):
        assert secret not in said
