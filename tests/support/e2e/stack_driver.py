"""Drives the deployed local stack from outside, like a user, with an AWS client, HTTP and git."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx

from sitewright.contracts.names import execution_name, manifest_key
from sitewright.publishing.manifest import Manifest

Json = dict[str, Any]
T = TypeVar("T")


def until(what: str, probe: Callable[[], T | None], *, seconds: float = 60, every: float = 0.1) -> T:
    """Polls until `probe` returns a true value. Fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)


@dataclass(frozen=True)
class Sent:
    """A command that was sent."""

    session_id: str
    command_id: str
    thread: str


@dataclass
class Site:
    """One client's site on the stack."""

    stack: "Stack"
    entry: Json

    @property
    def client_id(self) -> str:
        return str(self.entry["client_id"])

    @property
    def url(self) -> str:
        return str(self.entry["site_url"])

    @property
    def bucket(self) -> str:
        return str(self.entry["bucket"])

    def page(self, path: str = "/") -> str:
        """Returns the page's HTML as a visitor gets it."""
        answer = httpx.get(self.url.rstrip("/") + path, follow_redirects=True)
        answer.raise_for_status()
        return answer.text

    def status(self, path: str) -> int:
        return httpx.get(self.url.rstrip("/") + path, follow_redirects=True).status_code

    def send(
        self,
        instruction: str,
        *,
        session: str | None = None,
        thread: str | None = None,
        command: str | None = None,
    ) -> Sent:
        """Sends one command like a client."""
        return self._send({"instruction": instruction}, session, thread, command)

    def prepare(self) -> Sent:
        """Opens a chat: has the workspace of a new session prepared."""
        return self._send({"prepare": True})

    def _send(
        self, what: Json, session: str | None = None, thread: str | None = None, command: str | None = None
    ) -> Sent:
        session = session or f"s-{uuid.uuid4().hex[:10]}"
        sent = Sent(session, command or f"c-{uuid.uuid4().hex[:10]}", thread or f"t-{session}")
        body = {
            "sessionId": sent.session_id,
            "commandId": sent.command_id,
            "clientId": self.client_id,
            "chatThreadId": sent.thread,
            **what,
        }
        group = f"{self.client_id}#{sent.session_id}"
        self.stack.send_raw(json.dumps(body), group=group, dedup=sent.command_id)
        return sent

    def response(self, sent: Sent, *, seconds: float = 120) -> Json:
        """Waits for this client's response to a command. Another client's command may have the same ids."""

        def probe() -> list[Json]:
            found = self.stack.responses(sent.session_id, sent.command_id)
            return [answer for answer in found if answer["clientId"] == self.client_id]

        return until(f"answer to {sent.command_id} of {self.client_id}", probe, seconds=seconds)[0]

    def run(self, instruction: str, *, seconds: float = 120, **ids: str) -> tuple[Sent, Json]:
        """Sends a command and waits for its response."""
        sent = self.send(instruction, **ids)
        return sent, self.stack.response(sent, seconds=seconds)

    def execution_arn(self, sent: Sent) -> str:
        arn = str(self.entry["state_machine_arn"]).replace(":stateMachine:", ":execution:")
        return f"{arn}:{execution_name(sent.session_id, sent.command_id)}"

    def states(self, sent: Sent) -> list[str]:
        """Returns the names of the run's states so far, in order."""
        try:
            history = self.stack.client("stepfunctions").get_execution_history(
                executionArn=self.execution_arn(sent), maxResults=1000
            )
        except self.stack.client("stepfunctions").exceptions.ExecutionDoesNotExist:
            return []
        return [e["stateEnteredEventDetails"]["name"] for e in history["events"] if "stateEnteredEventDetails" in e]

    def wait_state(self, sent: Sent, state: str, *, seconds: float = 60) -> None:
        until(f"run of {sent.command_id} in {state}", lambda: state in self.states(sent), seconds=seconds, every=0.2)

    def command(self, sent: Sent) -> Json:
        """Returns the command's record."""
        table = self.stack.resource("dynamodb").Table(self.stack.info["tables"]["commands"])
        return dict(
            table.get_item(
                Key={"clientSession": f"{self.client_id}#{sent.session_id}", "commandId": sent.command_id}
            ).get("Item", {})
        )

    def session(self, sent: Sent) -> Json:
        table = self.stack.resource("dynamodb").Table(self.stack.info["tables"]["sessions"])
        return dict(table.get_item(Key={"clientSession": f"{self.client_id}#{sent.session_id}"}).get("Item", {}))

    def manifest(self) -> Manifest:
        """Returns the live manifest."""
        key = manifest_key(self.client_id)
        stored = self.stack.client("s3").get_object(Bucket=self.stack.info["artifacts_bucket"], Key=key)
        return Manifest.from_bytes(stored["Body"].read())

    @property
    def bare(self) -> Path:
        """The git host's repository, for checks and for a second committer's commits."""
        return Path(self.entry["git_dir"])

    def git(self, *args: str, check: bool = True) -> str:
        """Runs git on the remote's repository."""
        done = subprocess.run(["git", "-C", str(self.bare), *args], check=False, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
        return done.stdout.strip()

    def subjects(self, branch: str) -> list[str]:
        """Returns the commit subjects of a remote branch, newest first."""
        return self.git("log", "--format=%s", branch).splitlines()

    def branch_file(self, branch: str, path: str) -> str:
        return self.git("show", f"{branch}:{path}")

    def has_branch(self, branch: str) -> bool:
        return bool(self.git("branch", "--list", branch))

    def commit_elsewhere(self, branch: str, path: str, text: str, *, subject: str = "Somebody else's edit") -> str:
        """Commits to a remote branch as a second committer. Returns the new commit."""
        with tempfile.TemporaryDirectory() as folder:
            run = ["git", "-c", "user.name=Else", "-c", "user.email=else@example.com"]
            subprocess.run(["git", "clone", "-q", "-b", branch, str(self.bare), folder], check=True)
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            subprocess.run([*run, "-C", folder, "add", "-A"], check=True)
            subprocess.run([*run, "-C", folder, "commit", "-qm", subject], check=True)
            subprocess.run([*run, "-C", folder, "push", "-q", "origin", branch], check=True)
            done = subprocess.run(
                ["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
            )
            return done.stdout.strip()

    @contextlib.contextmanager
    def hook(self, name: str, script: str) -> Iterator[None]:
        """Installs a server-side git hook while the block runs."""
        path = self.bare / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        try:
            yield
        finally:
            path.unlink()

    def has_more_than(self, count: int, prefix: str) -> bool:
        """Returns whether more than `count` objects have the prefix. Needs only one request, unlike `keys`."""
        found = self.stack.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=count + 1)
        return int(found["KeyCount"]) > count

    def keys(self) -> dict[str, str]:
        """Returns key and ETag of every object in the site's bucket."""
        pages = self.stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {o["Key"]: o["ETag"] for page in pages for o in page.get("Contents", [])}


@dataclass
class Stack:
    """The stack described by `.local/stack.json`."""

    home: Path
    responses_file: Path
    _clients: dict[str, Any] = field(default_factory=dict)
    _answers: list[Json] = field(default_factory=list)
    _read: int = 0
    """The bytes of the file that were read. Tests ask ten times a second."""

    @cached_property
    def info(self) -> Json:
        data: Json = json.loads((self.home / "stack.json").read_text())
        return data

    def _session(self) -> Any:
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=self.info["region"])

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session().client(service, endpoint_url=self.info["endpoint_url"])
        return self._clients[service]

    def resource(self, service: str) -> Any:
        key = f"resource:{service}"
        if key not in self._clients:
            self._clients[key] = self._session().resource(service, endpoint_url=self.info["endpoint_url"])
        return self._clients[key]

    def site(self, client_id: str) -> Site:
        data = json.loads((self.home / "stack.json").read_text())
        for entry in data["sites"]:
            if entry["client_id"] == client_id:
                return Site(self, entry)
        raise AssertionError(f"no site {client_id} in {self.home / 'stack.json'}")

    def send_raw(self, body: str, *, group: str, dedup: str) -> None:
        self.client("sqs").send_message(
            QueueUrl=self.info["input_queue_url"], MessageBody=body, MessageGroupId=group, MessageDeduplicationId=dedup
        )

    def responses(self, session_id: str, command_id: str | None = None) -> list[Json]:
        """Returns all responses to a command, or to all commands of the session."""
        with contextlib.suppress(FileNotFoundError), self.responses_file.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]  # the collector may still be writing the last line
            self._answers += [json.loads(line) for line in whole.splitlines()]
            self._read += len(whole) + 1 if whole else 0
        return [
            answer
            for answer in self._answers
            if answer["sessionId"] == session_id and command_id in (None, answer["commandId"])
        ]

    def response(self, sent: Sent, *, seconds: float = 120) -> Json:
        """Waits for a command's only response and returns it."""

        def probe() -> list[Json]:
            return self.responses(sent.session_id, sent.command_id)

        return until(f"answer to {sent.command_id}", probe, seconds=seconds)[0]

    def fault(self, match: str, **fault: Any) -> None:
        """Makes the demo model fail for instructions that contain `match`."""
        httpx.post(f"{self.info['demo_model_url']}/_faults", json={"match": match, **fault}).raise_for_status()

    def git_mode(self, client_id: str, mode: str) -> None:
        """Sets the git host's behaviour for one site: ok, down, reject-auth, reject-push."""
        httpx.post(
            f"{self.info['git_host_url']}/_control",
            json={"client": client_id, "mode": mode},
            auth=("x", self.git_token),
        ).raise_for_status()

    @property
    def git_token(self) -> str:
        return Path(self.info["git_token_file"]).read_text().strip()

    def task_processes(self, sent: Sent) -> list[tuple[int, str]]:
        """Returns pid and command line of the processes of the session's workspaces, found by their environment."""
        found = []
        for proc in Path("/proc").iterdir():
            if not proc.name.isdigit():
                continue
            try:
                environ = (proc / "environ").read_bytes().split(b"\0")
                if f"SITEWRIGHT_SESSION_ID={sent.session_id}".encode() in environ:
                    command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(proc.name), command))
            except OSError:
                continue
        return found

    def task_roots(self, sent: Sent) -> list[Path]:
        """Returns the folders of the session's running workspaces."""
        found = []
        for pid, _ in self.task_processes(sent):
            with contextlib.suppress(OSError):
                for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    name, _, value = pair.decode(errors="replace").partition("=")
                    if name == "SITEWRIGHT_ROOT":
                        found.append(Path(value))
        return found

    def kill_workspace(self, sent: Sent) -> None:
        """Sends SIGKILL to the session's runner and its descendants, like the loss of a host."""
        for pid, _ in self.task_processes(sent):
            for victim in [*descendants(pid), pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Returns all descendants of a process."""
    below: list[int] = []
    try:
        children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return below
    for child in children:
        below += [child, *descendants(child)]
    return below
