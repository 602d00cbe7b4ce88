"""Parts for the runner's tests: a remote repository, tables and a bucket, a session."""

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from workspace.credentials.git_credentials import GitCredentials
from workspace.guest.guest_user import Guest
from workspace.repository.checkout import Checkout
from workspace.system.aws_clients import Clients
from workspace.system.child_environment import git_environment, inherited
from workspace.system.paths import Paths
from workspace.system.settings import Settings

from sitewright.contracts.commit_author import DEFAULT_AUTHOR, CommitAuthor
from sitewright.contracts.records import CommandRecord, SessionRecord
from sitewright.contracts.steps import StepName, StepRequest
from sitewright.tables.commands import item
from tests.support.dynamodb_double import DynamoDB, DynamoDBClient
from tests.support.workspace.git_host import TOKEN

REGION = "us-west-2"


def git(cwd: Path, *argv: str) -> str:
    env = git_environment(ceiling=cwd.parent, inherited={"PATH": os.environ["PATH"]}, protocols="file")
    done = subprocess.run(["git", *argv], cwd=cwd, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_remote(folder: Path, *, empty: bool = False, hook: str | None = None) -> Path:
    """Creates a bare repository with two commits on `main`."""
    bare = folder / "site.git"
    bare.mkdir(parents=True)
    git(bare, "init", "-q", "--bare", "-b", "main", ".")
    git(bare, "config", "http.receivepack", "true")
    if not empty:
        work = folder / "seed"
        git(folder, "clone", "-q", str(bare), str(work))
        (work / "index.html").write_text("<h1>Home</h1>\n")
        (work / ".gitignore").write_text("node_modules\ndist\n")
        git(work, "add", "-A")
        git(work, "commit", "-qm", "First")
        (work / "about.html").write_text("<h1>About</h1>\n")
        git(work, "add", "-A")
        git(work, "commit", "-qm", "Second")
        git(work, "push", "-q", "origin", "HEAD:main")
    if hook is not None:
        script = bare / "hooks" / "pre-receive"
        script.parent.mkdir(exist_ok=True)
        script.write_text(hook)
        script.chmod(0o755)
    return bare


def push_elsewhere(folder: Path, bare: Path, branch: str, files: dict[str, str], start: str = "main") -> str:
    """Pushes another author's commit to a branch of the remote."""
    work = folder / f"other-{len(list(folder.iterdir()))}"
    git(folder, "clone", "-q", str(bare), str(work))
    git(work, "checkout", "-q", "-B", branch, f"origin/{start}")
    for name, text in files.items():
        (work / name).write_text(text)
    git(work, "add", "-A")
    git(work, "commit", "-qm", "Somebody else's")
    git(work, "push", "-q", "origin", f"HEAD:{branch}")
    return git(work, "rev-parse", "HEAD")


@dataclass(frozen=True)
class FixedToken:
    """Credentials that are one token."""

    value: str

    def token(self) -> str:
        return self.value

    def renew(self) -> bool:
        return False

    def log_to(self, log: Callable[..., None]) -> None:
        pass

    def author(self) -> CommitAuthor:
        return DEFAULT_AUTHOR


def make_checkout(
    root: Path,
    url: str,
    branch: str = "thread-t1",
    token: str = TOKEN,
    guest: Guest | None = None,
    credentials: GitCredentials | None = None,
) -> Checkout:
    """A checkout in the folders of a workspace. A repository that is there already stays."""
    paths, user = Paths(root), guest or Guest()
    root.mkdir(parents=True, exist_ok=True)
    for folder in (paths.private, paths.scratch):
        folder.mkdir(mode=0o700, exist_ok=True)
    for folder in (paths.home, paths.guest_tmp, paths.tmp):
        user.folder(folder)
    return Checkout.of(
        paths,
        url=url,
        branch=branch,
        credentials=credentials or FixedToken(token),
        guest=user,
        inherited=inherited(os.environ),
        log=lambda *_, **__: None,
    )


@dataclass
class StepFunctions:
    """Records reports. Answers like Step Functions for a token that is gone."""

    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    gone: bool = False
    once: bool = False
    """Whether an answered token is gone. Tests that use one token for several attempts leave it False."""

    def _call(self, name: str, **values: str) -> dict[str, Any]:
        answered = self.once and any(known["taskToken"] == values["taskToken"] for _, known in self.reports)
        if self.gone or answered:
            raise ClientError({"Error": {"Code": "TaskTimedOut", "Message": "gone"}}, name)
        self.calls.append((name, values))
        return {}

    def send_task_heartbeat(self, **values: str) -> dict[str, Any]:
        return self._call("heartbeat", **values)

    def send_task_success(self, **values: str) -> dict[str, Any]:
        return self._call("success", **values)

    def send_task_failure(self, **values: str) -> dict[str, Any]:
        return self._call("failure", **values)

    @property
    def reports(self) -> list[tuple[str, dict[str, str]]]:
        return [call for call in self.calls if call[0] != "heartbeat"]


class TestClients(Clients):
    """Real clients against moto, and recorded Step Functions. With `tables` DynamoDB is the double."""

    __test__ = False

    def __init__(self, tables: DynamoDB | None = None) -> None:
        super().__init__(boto3.Session(region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y"))
        self.sfn = StepFunctions()
        self._tables: Any = DynamoDBClient(tables) if tables else None

    @property
    def dynamodb(self) -> Any:
        return self._tables or super().dynamodb

    @property
    def stepfunctions(self) -> Any:
        return self.sfn

    @property
    def small_objects(self) -> None:
        """None: moto sees only botocore's requests."""


def tables_in_memory() -> DynamoDB:
    """The double of DynamoDB, which takes a call at a time. A call of moto's takes ten milliseconds."""
    lock = threading.RLock()

    def one_at_a_time(call: Callable[[], Any]) -> Any:
        with lock:
            return call()

    return DynamoDB(interfere=one_at_a_time)


def make_aws(clients: Clients) -> None:
    """Creates the tables in moto, the bucket and the secrets of a workspace."""
    make_tables(clients.dynamodb)
    make_bucket_and_secrets(clients)


def make_bucket_and_secrets(clients: Clients) -> None:
    clients.s3.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    put_secret(clients, "git-token", TOKEN)
    put_secret(clients, "model-key", "sk-test-model-key")


def put_secret(clients: Clients, name: str, value: str) -> None:
    clients.ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def make_tables(dynamodb: Any) -> None:
    for name, keys in (("sessions", ["clientSession"]), ("commands", ["clientSession", "commandId"])):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )


def make_settings(root: Path, repository: str, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "client_id": "amelia",
        "repository": repository,
        "site_bucket": "edit.amelia.example.com",
        "artifacts_bucket": "artifacts",
        "sessions_table": "sessions",
        "commands_table": "commands",
        "git_secret": "git-token",
        "model_key_secret": "model-key",
        "idle_seconds": 0,
        "root": root,
        "inherited": inherited(os.environ),
    }
    # `model_copy` validates no values. Tests use limits of a few seconds, which an operator may not set.
    return Settings(**values).model_copy(update=more)


def request(step: StepName, command_id: str = "cmd-1", generation: int = 1, session: str = "s1") -> StepRequest:
    return StepRequest(
        step=step,
        task_token=f"task-token-of-{step}-{command_id}",
        client_id="amelia",
        session_id=session,
        command_id=command_id,
        generation=generation,
    )


def accept(clients: Clients, command_id: str, generation: int, session: str = "s1", **more: Any) -> None:
    """Accepts a command in the tables like intake, as far as the workspace reads them. `s1` has the thread `t1`."""
    from boto3.dynamodb.types import TypeSerializer

    serializer = TypeSerializer()
    command = CommandRecord(
        session_id=session,
        command_id=command_id,
        client_id="amelia",
        generation=generation,
        accepted_at=1,
        instruction="Edit",
        **more,
    )
    clients.dynamodb.put_item(TableName="commands", Item={k: serializer.serialize(v) for k, v in item(command).items()})
    clients.dynamodb.update_item(
        TableName="sessions",
        Key={"clientSession": {"S": f"amelia#{session}"}},
        UpdateExpression="SET generation = :g, commandId = :c, clientId = :a, sessionId = :s, chatThreadId = :t",
        ExpressionAttributeValues={
            ":g": {"N": str(generation)},
            ":c": {"S": command_id},
            ":a": {"S": "amelia"},
            ":s": {"S": session},
            ":t": {"S": session.replace("s", "t", 1)},
        },
    )


def read_session(clients: Clients) -> SessionRecord:
    from boto3.dynamodb.types import TypeDeserializer

    item = clients.dynamodb.get_item(
        TableName="sessions", Key={"clientSession": {"S": "amelia#s1"}}, ConsistentRead=True
    )["Item"]
    deserializer = TypeDeserializer()
    return SessionRecord.from_item({k: deserializer.deserialize(v) for k, v in item.items()})


def read_command(clients: Clients, command_id: str, session: str = "s1") -> CommandRecord:
    from boto3.dynamodb.types import TypeDeserializer

    key = {"clientSession": {"S": f"amelia#{session}"}, "commandId": {"S": command_id}}
    item = clients.dynamodb.get_item(TableName="commands", Key=key, ConsistentRead=True)["Item"]
    deserializer = TypeDeserializer()
    return CommandRecord.from_item({k: deserializer.deserialize(v) for k, v in item.items()})
