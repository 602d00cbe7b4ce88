"""The state machine's definition in JSONata. Pure: tests read, validate and interpret it without a stack.

The module writes the Amazon States Language itself and uses no CDK state classes. An operator sees this text in the
console, and no class decides on the query language of a nested state (aws-cdk 34352, 35403).
"""

from sitewright.contracts.sfn_errors import SfnError
from sitewright.contracts.steps import StepName
from stacks.jsonata import Json, array, is_positive, is_true, number, text
from stacks.site.room_states import room_states
from stacks.site.workflow_states import (
    ERROR,
    INPUT,
    RESULT,
    WorkflowParts,
    catch,
    function,
    in_new_workspace,
    in_workspace,
)

NOTHING_YET = {"commitMessage": "{% null %}", "sync": "{% null %}", "repair": "{% null %}", "repairs": 0}
"""Variables that some paths read without assigning them. The null is an expression: CDK drops a plain null."""

DONE = ("agent", "commitMessage", "build", "repair", "sync", "push")
"""The variables in the output of a run, for the operator."""


def definition(parts: WorkflowParts) -> Json:
    """Returns the state machine as a JSON document."""
    return {
        "Comment": "One run of one command: edit, commit, build and publish, check, push",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": parts.run_seconds,
        "StartAt": "IsPreparation",
        "States": {
            "IsPreparation": {
                "Type": "Choice",
                "Choices": [{"Condition": f"{{% {is_true(f'{INPUT}.prepare')} %}}", "Next": "Prepare"}],
                "Default": "Agent",
            },
            **in_workspace(
                parts,
                "Prepare",
                StepName.PREPARE,
                parts.build_seconds,
                assign="prepared",
                then="Prepared",
                on_failure="Failed",
                # Nobody waits for a preparation, so no session gives up its workspace for it.
                waits_for_room=False,
            ),
            "Prepared": {"Type": "Pass", "Output": {"prepared": "{% $prepared %}"}, "End": True},
            **in_workspace(
                parts,
                "Agent",
                StepName.AGENT,
                parts.agent_seconds,
                assign="agent",
                then="HasChanges",
                on_failure="Salvage",
                assigned={**NOTHING_YET, "edit": RESULT},
            ),
            "HasChanges": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": f"{{% {is_positive('$agent.filesChangedCount')} %}}", "Next": "WriteCommitMessage"}
                ],
                "Default": "Build",
            },
            "WriteCommitMessage": function(
                parts,
                parts.commit_message_arn,
                {
                    "sessionId": f"{{% {INPUT}.sessionId %}}",
                    "commandId": f"{{% {INPUT}.commandId %}}",
                    "clientId": f"{{% {INPUT}.clientId %}}",
                    "filesChanged": f"{{% {array('$edit.filesChanged')} %}}",
                    "filesChangedCount": f"{{% {number('$edit.filesChangedCount')} %}}",
                    "summary": f"{{% {text('$edit.summary')} %}}",
                    "repairs": "{% $repairs %}",
                },
                assign="commitMessage",
                then="Build",
                catches=[catch("States.ALL", "Salvage")],
            ),
            **in_workspace(
                parts,
                "Build",
                StepName.BUILD,
                parts.build_seconds,
                assign="build",
                then="IsPublished",
                on_failure="Salvage",
            ),
            "IsPublished": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": f"{{% {is_true('$build.deploySuccess')} %}}", "Next": "RecordSync"},
                    *([_repairable(parts)] if parts.repair_attempts else []),
                ],
                "Default": "Push",
            },
            **(_repair(parts) if parts.repair_attempts else {}),
            "RecordSync": function(
                parts,
                parts.record_sync_arn,
                {
                    "sessionId": f"{{% {INPUT}.sessionId %}}",
                    "commandId": f"{{% {INPUT}.commandId %}}",
                    "clientId": f"{{% {INPUT}.clientId %}}",
                    "siteBucket": parts.site_bucket,
                    "build": "{% $build %}",
                },
                assign="sync",
                then="Push",
                # The site is live already: a failed record_sync must not keep the commit from being pushed.
                catches=[
                    {
                        "ErrorEquals": ["States.ALL"],
                        "Assign": {"sync": {"error": ERROR}},
                        "Next": "Push",
                    }
                ],
            ),
            **in_workspace(
                parts, "Push", StepName.PUSH, parts.push_seconds, assign="push", then="Done", on_failure="Failed"
            ),
            # No Succeed state: MiniStack's interpreter ignores its Output.
            "Done": {
                "Type": "Pass",
                "Output": {name: f"{{% ${name} %}}" for name in DONE},
                "End": True,
            },
            # Salvage pushes commits and uncommitted edits. The run keeps its first error.
            **in_workspace(
                parts,
                "Salvage",
                StepName.SALVAGE,
                parts.push_seconds,
                assign="salvage",
                then="Failed",
                on_failure="Failed",
                keep_error=True,
            ),
            **_room(parts),
            "Failed": {"Type": "Fail", "Error": "{% $failure.Error %}", "Cause": "{% $failure.Cause %}"},
            "Interrupted": {
                "Type": "Fail",
                "Error": SfnError.INTERRUPTED,
                "Cause": "A newer command of the session took over; the work is saved.",
            },
        },
    }


def _room(parts: WorkflowParts) -> Json:
    """Returns the states of a run that waits until ECS starts a further workspace."""
    ask = function(
        parts,
        parts.make_room_arn,
        {
            "clientId": f"{{% {INPUT}.clientId %}}",
            "sessionId": f"{{% {INPUT}.sessionId %}}",
            "commandId": f"{{% {INPUT}.commandId %}}",
            "room": "{% $room %}",
        },
        assign="room",
        then="WaitForRoom",
        # Without the request the run still waits: a workspace may leave by itself.
        catches=[{"ErrorEquals": ["States.ALL"], "Next": "WaitForRoom"}],
    )
    steps = ["Agent", "Build", *(["Repair"] if parts.repair_attempts else []), "Push", "Salvage"]
    return room_states(ask, [in_new_workspace(step) for step in steps], in_new_workspace("Salvage"))


def _repairable(parts: WorkflowParts) -> Json:
    edited = is_positive("$agent.filesChangedCount")
    condition = f"{is_true('$build.brokenByEdit')} and ({edited}) and $repairs < {parts.repair_attempts}"
    return {"Condition": f"{{% {condition} %}}", "Next": "Repair"}


def _repair(parts: WorkflowParts) -> Json:
    """Returns the states of a repair. If the repair fails, the run goes on and pushes the commit of the failed build."""
    return {
        **in_workspace(
            parts,
            "Repair",
            StepName.REPAIR,
            parts.agent_seconds,
            assign="repair",
            then="HasRepaired",
            on_failure="Push",
            keep_error=True,
            assigned={"edit": RESULT, "repairs": "{% $repairs + 1 %}"},
        ),
        "HasRepaired": {
            "Type": "Choice",
            "Choices": [{"Condition": f"{{% {is_true('$repair.changed')} %}}", "Next": "WriteCommitMessage"}],
            "Default": "Push",
        },
    }
