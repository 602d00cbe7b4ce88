"""The rights that the end-to-end tests do not use, each with the reason why a role has it all the same."""

CDK = "CDK's grant for the queue brings it"
LOG_DELIVERY = "Step Functions takes it when the state machine is created or changed, to set up its log"

NEVER_USED = {
    "IntakeFunctionServiceRole: sqs:GetQueueUrl on MessagingInput": CDK,
    **{
        f"{role}: sqs:{action} on MessagingFailedEvents": CDK
        for role in ("RespondFunctionServiceRole", "TaskStoppedFunctionServiceRole")
        for action in ("GetQueueAttributes", "GetQueueUrl")
    },
    **{
        f"RunRole: logs:{action} on *": LOG_DELIVERY
        for action in (
            "CreateLogDelivery",
            "DeleteLogDelivery",
            "DescribeLogGroups",
            "DescribeResourcePolicies",
            "GetLogDelivery",
            "ListLogDeliveries",
            "PutResourcePolicy",
            "UpdateLogDelivery",
        )
    },
}
"""A run that uses one of them fails: its line goes."""

RARELY_USED = {
    **{
        f"{role}: sqs:SendMessage on MessagingFailedEvents": "for an event that the function failed to handle three times"
        for role in ("RespondFunctionServiceRole", "TaskStoppedFunctionServiceRole")
    },
}
"""Whether a run uses them depends on its faults and on chance."""

BEDROCK = (
    "modelProvider bedrock: the local stack has no Bedrock. tests/integration/workspace/agent/test_bedrock.py calls it"
)

NOT_ON_THE_LOCAL_STACK = {
    "WorkspaceTaskRole: cloudfront:CreateInvalidation": "https: the local stack has no CloudFront. "
    "tests/unit/publishing/test_invalidation.py makes the call",
    **{
        f"WorkspaceTaskRole: bedrock:{action}": BEDROCK
        for action in ("CountTokens", "InvokeModel", "InvokeModelWithResponseStream")
    },
}
"""The actions that only sites with other settings have."""
