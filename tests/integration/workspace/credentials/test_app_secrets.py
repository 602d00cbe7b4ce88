"""The GitHub App's key, its JWTs and its tokens reach no log, report, item, response, commit, archive or page."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workspace.lifecycle.runner import Runner
from workspace.step_context import StepContext
from workspace.system.child_environment import agent_environment

from lambdas.respond.outcome import build_response, of_execution
from sitewright.contracts.steps import AgentResult, StepName
from sitewright.contracts.workspace_settings import GitAuth
from tests.support.secrets.marked_secrets import leaks
from tests.support.secrets.stack_places import Place, git_objects, objects
from tests.support.workspace.git_host import TOKEN
from tests.support.workspace.github_double import APP_ID, GitHub, new_key, pem, serve_github
from tests.support.workspace.runner_parts import accept, put_secret, read_command
from tests.support.workspace.runner_world import World, edit, in_background, new_world, slow_edit, wait_for

SITE_BUCKET = "edit.amelia.example.com"

SHOW = (
    "{ env; git config --list --show-origin; cat .git/config; find .. -name config -path '*.git/*' | xargs cat; "
    "tr '\\0' '\\n' < /proc/$PPID/environ; } 2>/dev/null | tee shown.txt"
)
"""What a guest of the same user, as without root, finds in the environment and in configurations of git."""

PACKAGE = json.dumps(
    {"name": "x", "version": "1.0.0", "scripts": {"build": "mkdir -p dist && cp shown.txt index.html dist/"}}
)


def showing(ctx: StepContext) -> AgentResult:
    env = agent_environment(ctx.paths, inherited=ctx.settings.inherited, model={})
    ctx.children.run(["sh", "-c", SHOW], cwd=ctx.paths.site, env=env, timeout=20)
    return edit({"index.html": "new", "package.json": PACKAGE}, (ctx.paths.site / "shown.txt").read_text())(ctx)


class Runs:
    """Commands of one session, behind the stand-in for GitHub."""

    def __init__(self, world: World, github: GitHub) -> None:
        self.world, self.github, self.number = world, github, 1
        world.use(agent=showing)

    @property
    def command(self) -> str:
        return f"cmd-{self.number}"

    def next(self) -> None:
        self.number += 1
        accept(self.world.clients, self.command, self.number)

    def prepare(self, step: StepName) -> Runner:
        settings = {"repository": self.github.url, "git_auth": GitAuth.GITHUB_APP, "git_secret": "github-app"}
        return self.world.prepare(step, self.command, self.number, **settings)

    def step(self, step: StepName) -> dict[str, Any]:
        """Does a step in a fresh workspace. Returns its result, or the cause of its failure."""
        assert self.prepare(step).run() == 0
        report = self.world.report[1]
        result: dict[str, Any] = report.get("output") or report["cause"]
        return result

    def fails(self, step: StepName) -> str:
        """Does a step and returns the code of its error, whether the step failed or has it in its result."""
        result = self.step(step)
        assert "code" in (result.get("error") or result), result
        return str((result.get("error") or result)["code"])

    def store(self, secret: str) -> None:
        put_secret(self.world.clients, "github-app", secret)
        self.world.clients.forget_secrets()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    with new_world(tmp_path, monkeypatch) as world, serve_github(GitHub(new_key())) as github:
        github.git = world.host.port, TOKEN
        put_secret(world.clients, "github-app", app_secret(github))
        where = {"LocationConstraint": "us-west-2"}
        world.clients.s3.create_bucket(Bucket=SITE_BUCKET, CreateBucketConfiguration=where)
        yield Runs(world, github)


def app_secret(github: GitHub) -> str:
    return json.dumps({"appId": APP_ID, "privateKey": pem(github.key)})


def secrets(github: GitHub) -> dict[str, str]:
    lines = pem(github.key).splitlines()[1:-1]
    found = {f"line {number} of the private key": line for number, line in enumerate(lines)}
    found |= {"private key in one line": "".join(lines), "private key as JSON": "\\n".join(lines)}
    for number, token in enumerate(github.minted):
        found[f"token {number}"] = token
        header = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        found[f"token {number} in a header"] = header.rstrip("=")
    for number, jwt in enumerate(sorted(github.jwts)):
        found |= {f"JWT {number}": jwt, f"signature of JWT {number}": jwt.rpartition(".")[2]}
    return found


def places(runs: Runs) -> Iterator[Place]:
    world, clients = runs.world, runs.world.clients
    yield Place("log", world.log.getvalue().encode())
    # What a state gets back: the history of the run has it, and the input of later states.
    yield Place("reports to the history", json.dumps(clients.sfn.calls).encode())
    for table in ("sessions", "commands"):
        items = clients.dynamodb.dynamodb.tables[table].values()
        assert items, table
        for item in items:
            yield Place("item", json.dumps(item, default=str).encode())
    for number in range(1, runs.number + 1):
        outcome = of_execution("SUCCEEDED", None, None, None)
        response = build_response(read_command(clients, f"cmd-{number}"), outcome, 1)
        yield Place("response", response.to_json().encode())
    for bucket in ("artifacts", SITE_BUCKET):
        yield from objects(clients.s3, bucket)
    yield Place("commits", git_objects(world.bare))


def test_nothing_of_the_app_is_found_after_runs_that_succeed_fail_crash_and_are_interrupted(runs: Runs) -> None:
    for step in (StepName.AGENT, StepName.BUILD, StepName.PUSH):
        done = runs.step(step)
    assert done["pushed"] is True
    assert runs.world.clients.s3.get_object(Bucket=SITE_BUCKET, Key="shown.txt")["Body"].read()

    runs.next()
    runs.step(StepName.AGENT)
    runs.github.late = 1000
    assert runs.fails(StepName.SALVAGE) == "git_auth_failed"
    runs.github.late = 0
    runs.github.suspended = True
    assert runs.fails(StepName.SALVAGE) == "git_auth_failed"
    runs.github.suspended = False
    for broken in (pem(runs.github.key), app_secret(runs.github).replace(APP_ID, "")):
        runs.store(broken)
        assert runs.fails(StepName.SALVAGE) == "git_auth_failed"
    runs.store(app_secret(runs.github))

    def crashes(_: StepContext) -> AgentResult:
        raise RuntimeError("a fault of the program")

    runs.next()
    runs.world.use(agent=crashes)
    assert runs.fails(StepName.AGENT) == "internal_error"

    runs.world.use(agent=slow_edit({"index.html": "half"}))
    runner = runs.prepare(StepName.AGENT)
    thread, codes = in_background(runner.run)
    wait_for((runs.world.root / "working").exists)
    runs.next()
    thread.join(30)
    saved = read_command(runs.world.clients, f"cmd-{runs.number - 1}").interruption
    assert codes == [0] and saved is not None and saved.pushed

    marked, found = secrets(runs.github), list(places(runs))
    assert len(runs.github.minted) > 3 and len(runs.github.jwts) > 3
    kinds = {place.name.split(" ")[0] for place in found}
    assert kinds == {"log", "reports", "item", "response", "object", "transcript", "commits"}
    assert any(b"GIT_CEILING_DIRECTORIES" in place.content for place in found if place.name == "log"), (
        "the guest showed nothing"
    )
    assert leaks([Place("log", secret.encode()) for secret in marked.values()], marked), "the search finds nothing"
    assert leaks(found, marked) == []
