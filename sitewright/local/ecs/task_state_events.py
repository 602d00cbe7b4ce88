"""`ECS Task State Change` events: sent to the targets of the rules that match."""

import json
import threading
import uuid
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from sitewright.local.aws_clients import Aws
from sitewright.local.ecs.event_faults import EventFaults
from sitewright.local.ecs.task import Json


class TaskStateEvents:
    """Delivers events to Lambda itself: EventBridge refuses `aws.*` sources from PutEvents."""

    def __init__(self, aws: Aws, faults: EventFaults) -> None:
        self._aws = aws
        self._faults = faults

    def deliver(self, detail: Json) -> bool:
        """Sends the event, or loses, delays or repeats it as the faults ask. False if a call failed."""
        delivered = True
        for seconds in self._faults.deliveries():
            if seconds:
                timer = threading.Timer(seconds, self._try_send, (detail,))
                timer.daemon = True
                timer.start()
            else:
                delivered = self._try_send(detail)
        return delivered

    def _try_send(self, detail: Json) -> bool:
        try:
            self._send(detail)
        except (BotoCoreError, ClientError) as error:
            print(f"the end of {detail['taskArn']} could not be reported: {error}", flush=True)
            return False
        return True

    def _send(self, detail: Json) -> None:
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "ECS Task State Change",
            "source": "aws.ecs",
            "account": detail["taskArn"].split(":")[4],
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._aws.region,
            "resources": [detail["taskArn"]],
            "detail": detail,
        }
        for rule in self._aws.events.list_rules()["Rules"]:
            pattern: Json = json.loads(rule.get("EventPattern") or "{}")
            clusters = pattern.get("detail", {}).get("clusterArn", [detail["clusterArn"]])
            enabled = rule.get("State", "ENABLED") != "DISABLED"
            if enabled and "aws.ecs" in pattern.get("source", []) and detail["clusterArn"] in clusters:
                for target in self._aws.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                    self._aws.functions.invoke(
                        FunctionName=target["Arn"], InvocationType="Event", Payload=json.dumps(event).encode()
                    )
