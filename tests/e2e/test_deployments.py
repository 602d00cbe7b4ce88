"""Lists deployments, rolls back through the command line, and heals a manually changed bucket."""

import json

from typer.testing import CliRunner

from sitewright.cli.main import app
from tests.home import HOME, sitewright
from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.stack_driver import Json, Site, Stack, until
from tests.support.e2e.words import fresh


def deployments(site: Site) -> Json:
    """What `sitewright deployments --json` prints, run in this process: a process costs a second of a core."""
    arguments = ["deployments", "--client", site.client_id, "--json"]
    done = CliRunner().invoke(app, arguments, env={"SITEWRIGHT_HOME": str(HOME)}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    listed: Json = json.loads(done.stdout)
    return listed


def test_two_publishes_a_rollback_and_the_next_message(session: OpenSession) -> None:
    site, versions = session.site, [fresh(f"Version {number}") for number in ("one", "two", "three")]
    one, two, three = versions
    first, answer = session.run(f'Add a new heading saying "{one}" to the homepage')
    assert answer["deploySuccess"], answer
    before = site.keys()
    second, answer = session.run(f'Add a new heading saying "{two}" to the homepage')
    assert answer["deploySuccess"], answer
    head = site.git("rev-parse", f"thread-{first.thread}")
    assert two in site.page()

    listed = deployments(site)
    newer, older = listed["deployments"][:2]
    assert [newer["commandId"], older["commandId"]] == [second.command_id, first.command_id]
    assert newer["live"] and not newer["rollbackTarget"]
    assert older["rollbackTarget"] and not older["live"]
    assert (
        listed["live"] | {"deploymentId": newer["deploymentId"], "complete": True, "publishing": None} == listed["live"]
    )
    shown = sitewright("deployments", "--client", site.client_id).stdout
    assert newer["deploymentId"] in shown and older["deploymentId"] in shown

    done = json.loads(sitewright("rollback", "--client", site.client_id, "--json").stdout)
    assert done["rolledBackTo"] == older["deploymentId"]
    assert done["siteUrl"] == site.url
    assert one in site.page() and two not in site.page()
    assert site.keys() == before
    listed = deployments(site)
    assert listed["live"]["deploymentId"] == done["deploymentId"] == listed["deployments"][0]["deploymentId"]
    assert listed["deployments"][0]["rolledBackTo"] == older["deploymentId"]
    assert site.git("rev-parse", f"thread-{first.thread}") == head, "a rollback touches the bucket only"

    again = sitewright("rollback", "--client", site.client_id, "--to", done["deploymentId"], check=False)
    assert (again.returncode, again.stderr.count("live already")) == (2, 1)

    third, answer = session.run(f'Add a new heading saying "{three}" to the homepage')
    assert answer["deploySuccess"], answer
    page = site.page()
    assert all(text in page for text in versions)
    assert head in site.git("rev-list", f"thread-{third.thread}").splitlines()


def test_a_manually_changed_bucket_is_noticed_and_healed(session: OpenSession) -> None:
    site = session.site
    s3 = site.stack.client("s3")
    s3.put_object(Bucket=site.bucket, Key="index.html", Body=b"<h1>Defaced</h1></html>", ContentType="text/html")
    s3.put_object(Bucket=site.bucket, Key="strange.txt", Body=b"x")
    s3.delete_object(Bucket=site.bucket, Key="robots.txt")

    # The next publish trusts the manifest. Its check finds the drift and marks the manifest for the publish after it.
    sent, answer = session.run('Add a paragraph "The check sees it" to the about page')
    assert answer["deploySuccess"], answer
    newest = until("the record of the check", lambda: deployments(site)["deployments"][0], seconds=10)
    assert newest["commandId"] == sent.command_id
    assert {"strange.txt", "robots.txt"} <= set(newest["drift"])
    assert newest["driftCount"] == len(newest["drift"])
    assert "other hands changed it" in sitewright("deployments", "--client", site.client_id).stderr

    sent, answer = session.run('Add a paragraph "And heals it" to the about page')
    assert answer["deploySuccess"], answer
    newest = deployments(site)["deployments"][0]
    assert (newest["commandId"], newest["driftCount"]) == (sent.command_id, 0)
    assert session.heading in site.page() and "Defaced" not in site.page()
    assert site.status("/robots.txt") == 200
    assert "strange.txt" not in site.keys()


def test_an_unknown_client(stack: Stack) -> None:
    done = sitewright("rollback", "--client", "nobody", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no site 'nobody' on the local stack." in done.stderr
