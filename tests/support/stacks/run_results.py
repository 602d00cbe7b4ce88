"""The input of a run, and what its steps and functions return when all goes well."""

from tests.support.stacks.asl import Outcome, StatesError

INPUT = {"sessionId": "s", "commandId": "c", "clientId": "amelia", "chatThreadId": "t", "generation": 3}
NETWORK = {"subnets": ["subnet-1", "subnet-2"], "securityGroup": "sg-1"}
AGENT = {"filesChanged": ["a.astro"], "filesChangedCount": 1, "summary": "done"}
BUILD = {"commit": "abc", "buildSuccess": True, "deploySuccess": True}
BROKEN = {"commit": "abc", "buildSuccess": False, "deploySuccess": False, "brokenByEdit": True}
REPAIR = {"filesChanged": ["b.astro"], "filesChangedCount": 1, "summary": "repaired", "changed": True}
SYNC = {"deploymentId": "d", "files": 2}
PUSH = {"commit": "abc", "pushed": True}

GOOD: dict[str, list[Outcome]] = {
    "Agent": [AGENT],
    "WriteCommitMessage": ["[2026-01-01] Edit"],
    "Build": [BUILD],
    "Repair": [REPAIR],
    "RecordSync": [SYNC],
    "Push": [PUSH],
    "Salvage": [PUSH],
    "MakeRoom": [{"asked": "amelia/other", "askedAt": 1}],
}

STEPS = ("Agent", "Build", "Repair", "Push", "Salvage")
"""The states that offer a step. A fresh workspace does it in the state `{step}InNewWorkspace`."""

REFUSED = StatesError("DynamoDb.ConditionalCheckFailedException", "The conditional request failed")
"""An offer without a live workspace."""
