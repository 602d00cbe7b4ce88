"""`sitewright`: runs the local stack, and lists and rolls back deployments there or on AWS."""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from sitewright.cli.answer_exit import exit_code_of
from sitewright.cli.aws_access import Access, refusals
from sitewright.cli.deployment_history import History
from sitewright.cli.deployment_lookup import read_history
from sitewright.cli.doctor.doctor import aws_findings, local_findings
from sitewright.cli.doctor.findings import Status, exit_code
from sitewright.cli.doctor.site_list import read_sites
from sitewright.cli.rollback_command import roll_back
from sitewright.contracts.records import DeploymentRecord
from sitewright.contracts.site_config import DEFAULT_CLIENT
from sitewright.local.errors import BadSetting, Interrupted, LocalError
from sitewright.local.stack.stack_control import StackOptions, home_of
from sitewright.local.stack.stack_control import down as stop_stack
from sitewright.local.stack.stack_control import up as start_stack
from sitewright.local.stack.stack_file import load
from sitewright.local.stack_client import DECISION_STATES, FINAL_STATUSES, SentCommand, StackClient

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
out, err = Console(), Console(stderr=True)


def _report(text: str) -> None:
    err.print(f"  {text}", highlight=False, soft_wrap=True)


@app.command()
def up(
    client: Annotated[str | None, typer.Option(help="clientId of the site; added beside those that are there")] = None,
    site_repo: Annotated[str | None, typer.Option(help="git repository of the site, a path or a URL")] = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="process (the default), or docker: the real image in Docker or Podman", show_default=False),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="JSON file with further settings of the site, as in cdk.json", show_default=False),
    ] = None,
) -> None:
    """Starts the local stack, or adds a site to it."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated `up` stops the servers that it started
    if site_repo == "":
        raise BadSetting("--site-repo is empty.", "Name a git repository, or leave the option out for the demo site.")
    info = start_stack(home_of(), StackOptions(client, site_repo, runtime, settings), _report)
    err.print(f"Up after {time.monotonic() - began:.0f} s:", highlight=False)
    for site in info["sites"]:
        out.print(f"{site['client_id']}: {site['site_url']}", highlight=False)


@app.command()
def down() -> None:
    """Stops the local stack; the git repositories stay, and with them all that was pushed."""
    stopped = stop_stack(home_of(), _report)
    kept = "What was pushed stays; sessions, runs and edits that were not pushed yet are gone."
    err.print(f"Stopped {stopped} processes. {kept}" if stopped else "Nothing was running.", highlight=False)


@app.command()
def send(  # noqa: PLR0917 - typer passes by name
    text: Annotated[str, typer.Argument(help="the instruction; - reads it from standard input")],
    client: Annotated[str, typer.Option(help="clientId")] = DEFAULT_CLIENT,
    session: Annotated[str | None, typer.Option(help="sessionId; a new one if left out")] = None,
    thread: Annotated[str | None, typer.Option(help="chatThreadId; derived from the session if left out")] = None,
    command_id: Annotated[str | None, typer.Option(help="commandId; a new one if left out")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="error code of a refused publish that is meant; may be repeated")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait for the response")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    timeout: Annotated[float, typer.Option(help="seconds to wait")] = 900,
) -> None:
    """Sends a command. With --wait the exit code is 0: all done, 1: failed, 3: live but not saved in git, or not live."""
    user = StackClient(load(home_of(), whole=True))  # a half dead stack would accept the message and never answer
    sent = user.send(sys.stdin.read() if text == "-" else text, client, session, thread, command_id, allow or ())
    _answer(user, sent, wait, as_json, timeout)


def _answer(user: StackClient, sent: SentCommand, wait: bool, as_json: bool, timeout: float) -> None:
    """Tells what was sent and, with `wait`, the response. Raises typer.Exit."""
    if not wait:
        ids = {"sessionId": sent.session_id, "commandId": sent.command_id, "chatThreadId": sent.chat_thread_id}
        print(json.dumps(ids) if as_json else f"sent {sent.command_id} in session {sent.session_id}")
        return
    if not as_json:
        err.print(f"sent {sent.command_id} in session {sent.session_id}", highlight=False, soft_wrap=True)
    try:
        # The status shows only if standard error is a terminal.
        with err.status("waiting for the answer"):
            answer = user.response(sent, timeout)
    except TimeoutError as error:
        err.print(f"{error}. Look at `sitewright runs`.", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print(f"{answer['status']}: {answer['summary']}")
        for name in answer["filesChanged"]:
            print(f"  {name}")
        if answer["error"]:
            print(f"{answer['error']['code']}: {answer['error']['message']}\n{answer['error']['remedy']}")
        if answer["status"] != "rejected":  # a rejected command has no site, commit or time
            commit = f"  commit {answer['commit'][:10]}" if answer["commit"] else ""
            print(f"{answer['siteUrl']}{commit}  {(answer['durationMs'] or 0) / 1000:.1f} s")
    raise typer.Exit(exit_code_of(answer))


@app.command()
def prepare(  # noqa: PLR0917 - typer passes by name
    client: Annotated[str, typer.Option(help="clientId")] = DEFAULT_CLIENT,
    session: Annotated[str | None, typer.Option(help="sessionId; a new one if left out")] = None,
    thread: Annotated[str | None, typer.Option(help="chatThreadId; derived from the session if left out")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait until the workspace is ready")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    timeout: Annotated[float, typer.Option(help="seconds to wait")] = 900,
) -> None:
    """Makes a session's workspace ready for its first instruction; with --wait the exit code tells whether it is."""
    user = StackClient(load(home_of(), whole=True))
    _answer(user, user.prepare(client, session, thread), wait, as_json, timeout)


@app.command()
def runs(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Lists the newest runs."""
    found = StackClient(load(home_of())).runs()
    if as_json:
        print(json.dumps(found))
        return
    table = Table("client", "run", "status", "started", "seconds")
    for run in found:
        table.add_row(run["client"], run["run"], run["status"], run["started"][:19], str(run["seconds"] or ""))
    out.print(table)


ClientOption = Annotated[str, typer.Option("--client", help="clientId")]
AwsOption = Annotated[bool, typer.Option("--aws", help="a stack deployed to AWS, with your own credentials")]
RegionOption = Annotated[
    str | None, typer.Option("--region", help="AWS region; your profile's if left out", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def deployments(
    client: ClientOption = DEFAULT_CLIENT,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists a site's deployments, newest first, and what is live."""
    with _access(aws, region) as access:
        past = read_history(access, client)
    if as_json:
        print(json.dumps(past.as_json(), ensure_ascii=False))
        return
    # Users copy the ids, so no table may cut them. An id begins with the time (UTC) and ends with the commit.
    if past.records:
        _row("id", "by", "files", "changed", "drift", "")
    else:
        _line("No deployments yet.")
    for record in past.records:
        by = record.session_id if record.rolled_back_to is None else "rollback"
        changed = f"+{record.uploaded} -{record.deleted}"
        _row(record.deployment_id, by, str(record.files), changed, str(record.drift_count), _standing(past, record))
    for remark in past.remarks():
        err.print(remark, highlight=False, soft_wrap=True)
    out.print(past.site.site_url, highlight=False)


def _row(*cells: str) -> None:
    deployment, by, files, changed, drift, standing = cells
    _line(f"{deployment:<28} {_cut(by, 16):<16} {files:>6} {changed:>9} {drift:>5}  {standing}".rstrip())


def _standing(past: History, record: DeploymentRecord) -> str:
    if past.is_live(record):
        return "live" if record.rolled_back_to is None else f"live, rollback to {record.rolled_back_to}"
    return "restorable" if past.is_target(record) else "failed" if not record.deploy_success else "gone"


@app.command()
def rollback(
    client: ClientOption = DEFAULT_CLIENT,
    to: Annotated[
        str | None, typer.Option(help="deployment id; the last complete one before the live one if left out")
    ] = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Makes an earlier deployment live again; the exit code is 0 only if that is done."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated rollback releases the lease
    with _access(aws, region) as access:
        done = roll_back(access, client, to, _report)
    if as_json:
        print(json.dumps(done.as_json(), ensure_ascii=False))
    else:
        print(f"{done}\n{done.site.site_url}")


@app.command()
def doctor(
    aws: AwsOption = False,
    region: RegionOption = None,
    app_file: Annotated[Path, typer.Option("--app", help="the cdk.json whose sites are checked, with --aws")] = Path(
        "cdk.json"
    ),
    as_json: JsonOption = False,
) -> None:
    """Checks what runs need before any is paid for, and changes nothing.

    Exit code 0: nothing failed. 1: something failed. 3: nothing failed, and something could not be checked.
    """
    if aws:
        sites = read_sites(app_file)
        with refusals():
            findings = aws_findings(sites, boto3.Session(), region or sites.region)
    elif region is not None:
        raise BadSetting("--region is for --aws.", "Add --aws, or leave --region out for the local stack.")
    else:
        findings = local_findings(home_of())
    if as_json:
        print(json.dumps([finding.as_json() for finding in findings], ensure_ascii=False))
    else:
        colours = {Status.FAILED: "red", Status.WARNING: "yellow", Status.NOT_CHECKED: "magenta", Status.OK: None}
        for finding in findings:
            _line(str(finding), style=colours[finding.status])
    raise typer.Exit(exit_code(findings))


@contextlib.contextmanager
def _access(aws: bool, region: str | None) -> Iterator[Access]:
    if not aws:
        if region is not None:
            raise BadSetting("--region is for --aws.", "Add --aws, or leave --region out for the local stack.")
        yield Access.local(load(home_of()))
        return
    with refusals():
        yield Access.aws(region)


@app.command()
def watch() -> None:
    """Shows runs and their steps as they happen, until Ctrl-C."""
    user = StackClient(load(home_of()))
    names = ", ".join(site["client_id"] for site in user.info["sites"])
    shown: dict[str, int] = {}
    over: set[str] = {run["arn"] for run in user.runs() if run["status"] in FINAL_STATUSES}
    # The last line shows the current step: with a real model a step takes minutes.
    with contextlib.suppress(KeyboardInterrupt), out.status("") as status:
        while True:
            working = []
            for run in reversed(user.runs()):
                if run["arn"] in over:
                    continue
                who = f"{_cut(run['client'], 16)}  {_cut(run['run'], 28)}"
                steps = user.steps(run["arn"])
                ended = list(pairwise(steps))
                for (name, start), (_, end) in ended[shown.get(run["arn"], 0) :]:
                    if name not in DECISION_STATES:
                        _line(f"{who}  {name:<20} {end - start:6.1f} s")
                shown[run["arn"]] = len(ended)
                if run["status"] in FINAL_STATUSES:
                    colour = "green" if run["status"] == "SUCCEEDED" else "red"
                    _line(f"{who}  {run['status'].lower():<20} {run['seconds'] or 0:6.1f} s", style=colour)
                    over.add(run["arn"])
                elif steps:
                    working.append(f"{who}  {steps[-1][0]} {max(0.0, time.time() - steps[-1][1]):.0f} s")
            status.update("; ".join(working) or f"watching {names}, Ctrl-C ends it")
            time.sleep(0.4)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _line(text: str, style: str | None = None) -> None:
    out.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def main() -> None:
    """Runs the command line. Prints an expected failure as one line that ends with the remedy, and exits with 2."""
    try:
        app()
    except LocalError as error:
        tail = getattr(error, "tail", "")
        print(f"{tail}\n" if tail else "", end="", file=sys.stderr)
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        sys.exit(130 if isinstance(error, Interrupted) else 2)
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split())
        print(
            f"The local stack did not do it: {said}. Look at {home_of().log}, or run `sitewright up`.", file=sys.stderr
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
