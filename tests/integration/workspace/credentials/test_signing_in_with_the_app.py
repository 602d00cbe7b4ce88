"""Clone, edit and push with a GitHub App: its tokens, its bot as the author, and what happens when GitHub fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace.credentials.github_api import GitHubApi
from workspace.credentials.github_app import FRESH_SECONDS, GitHubApp
from workspace.credentials.github_repository import GitHubRepository
from workspace.errors import GitError

from sitewright.contracts.commit_author import DEFAULT_AUTHOR
from sitewright.contracts.steps import StepName
from sitewright.contracts.workspace_settings import GitAuth
from tests.support.workspace.git_host import TOKEN
from tests.support.workspace.github_double import APP_ID, BOT_ID, SLUG, GitHub, new_key, pem, serve_github
from tests.support.workspace.runner_parts import make_checkout, put_secret
from tests.support.workspace.runner_world import World, commit_step, edit, new_world

KEY = new_key()
SECRET = json.dumps({"appId": APP_ID, "privateKey": pem(KEY)})
BOT = f"{SLUG}[bot] <{BOT_ID}+{SLUG}[bot]@users.noreply.127.0.0.1>"
AUTHORS = "--format=%an <%ae>%n%cn <%ce>"


class AppWorld:
    """A runner's world behind the stand-in for GitHub."""

    def __init__(self, world: World, github: GitHub) -> None:
        self.world = world
        self.github = github
        world.use(agent=edit({"index.html": "new"}), build=commit_step("Edit"))

    def step(self, step: StepName) -> dict[str, object]:
        """Does a step in a fresh workspace. Returns its result, or the cause of its failure."""
        settings = {"repository": self.github.url, "git_auth": GitAuth.GITHUB_APP, "git_secret": "github-app"}
        assert self.world.step(step, **settings) == 0
        _, report = self.world.report
        result: dict[str, object] = report.get("output") or report["cause"]
        return result


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppWorld]:
    with new_world(tmp_path, monkeypatch) as world, serve_github(GitHub(KEY)) as github:
        github.git = world.host.port, TOKEN
        put_secret(world.clients, "github-app", SECRET)
        yield AppWorld(world, github)


def test_a_run_signs_in_with_minted_tokens_and_commits_as_the_bot(app: AppWorld) -> None:
    for step in (StepName.AGENT, StepName.BUILD):
        app.step(step)
    assert app.step(StepName.PUSH)["pushed"] is True
    assert app.world.remote("log", "-1", AUTHORS, "thread-t1").splitlines() == [BOT, BOT]
    assert app.github.presented and set(app.github.presented) <= set(app.github.minted)
    assert all(limit["permissions"] == {"contents": "write"} for limit in app.github.limits)
    said = app.world.log.getvalue() + json.dumps(app.world.clients.sfn.calls)
    for secret in (*app.github.minted, *pem(KEY).splitlines()[1:-1]):
        assert secret not in said


def test_while_githubs_api_is_down_the_push_waits(app: AppWorld) -> None:
    app.step(StepName.AGENT)
    app.github.failures = [503]
    app.step(StepName.BUILD)
    app.github.failures = [502, 503, 503]
    assert app.step(StepName.PUSH)["pushed"] is True
    assert len(app.world.events("the git host is out of reach, trying again")) == 2
    author = app.world.remote("log", "-1", AUTHORS, "thread-t1").splitlines()
    assert author == [str(DEFAULT_AUTHOR)] * 2, "the commit is made without the bot's identity"


def test_a_missing_installation_is_told_and_its_correction_seen(app: AppWorld) -> None:
    app.github.repositories = set()
    failed = app.step(StepName.AGENT)
    assert failed["code"] == "git_auth_failed" and "not installed on bakery/site" in str(failed["message"])
    app.github.repositories = {"site"}
    assert app.step(StepName.AGENT)["summary"] == "Edited"


class Clock:
    """A clock that the test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def minting(github: GitHub, clock: Clock) -> GitHubApp:
    repository = GitHubRepository.of(github.url)
    return GitHubApp(
        repository,
        GitHubApi(repository.api),
        lambda: SECRET,
        lambda *_, **__: None,
        lambda _: None,
        clock=clock,
        sleep=lambda _: None,
    )


def test_a_revoked_token_is_replaced_within_the_command(app: AppWorld, tmp_path: Path) -> None:
    clock = Clock()
    checkout = make_checkout(tmp_path / "ws", app.github.url, credentials=minting(app.github, clock))
    checkout.clone(timeout=30)
    checkout.start_branch()
    app.github.revoked.update(app.github.minted)
    clock.seconds += FRESH_SECONDS + 1
    checkout.remote.push(checkout.head(), "thread-t1", timeout=30)
    assert len(app.github.minted) == 2
    assert app.world.remote("rev-parse", "thread-t1") == checkout.head()


def test_a_token_that_githubs_servers_do_not_know_yet_is_tried_again(app: AppWorld, tmp_path: Path) -> None:
    app.github.late = 1
    checkout = make_checkout(tmp_path / "ws", app.github.url, credentials=minting(app.github, Clock()))
    checkout.clone(timeout=30)
    assert len(app.github.minted) == 1 and checkout.remote.transport.refs()


def test_a_lasting_refusal_ends_after_the_second_attempt(app: AppWorld, tmp_path: Path) -> None:
    app.github.late = 1000
    checkout = make_checkout(tmp_path / "ws", app.github.url, credentials=minting(app.github, Clock()))
    with pytest.raises(GitError) as refused:
        checkout.clone(timeout=30)
    assert len(app.github.presented) == 2
    assert app.github.minted[0] not in str(refused.value)
