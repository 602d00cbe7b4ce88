"""The rights that the end-to-end tests do not use, each with the reason why a role has it all the same."""

CDK = "CDK's grant for the queue brings it"
LOG_DELIVERY = "Step Functions takes it when the state machine is created or changed, to set up its log"
RETENTION = "for the deployments beyond those that are kept: tests/unit/lambdas/test_record_sync.py"
TRACES = "the local stack has no X-Ray"
MISSING = "for a 404 in place of a 403 where an object is missing"

FUNCTIONS = ("CommitMessage", "Intake", "MakeRoom", "RecordSync", "Respond", "TaskStopped")

NEVER_USED = {
    "AnswerRole: lambda:InvokeFunction on function:sitewright-respond:*": "for versions of the function, by CDK's grant",
    **{
        f"{role}: xray:{action} on *": TRACES
        for role in ("RunRole", *(f"{name}FunctionServiceRole" for name in FUNCTIONS))
        for action in ("PutTelemetryRecords", "PutTraceSegments")
    },
    **{f"RunRole: xray:{action} on *": TRACES for action in ("GetSamplingRules", "GetSamplingTargets")},
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
    "IntakeFunctionServiceRole: dynamodb:GetItem on table/StorageSpending": "of a site with a monthly budget: "
    "tests/unit/lambdas/test_monthly_budget.py",
    "IntakeFunctionServiceRole: sqs:ChangeMessageVisibility on MessagingInput": "for a message that intake failed",
    "RecordSyncFunctionServiceRole: dynamodb:UpdateItem on table/StorageDeployments": "notes drift, and retires deployments: "
    "tests/unit/lambdas/test_record_sync.py",
    "RecordSyncFunctionServiceRole: s3:GetObject on StorageArtifacts/*/site/deployments/*.json.gz": RETENTION,
    "RecordSyncFunctionServiceRole: s3:DeleteObject on StorageArtifacts/*/site/deployments/*.json.gz": RETENTION,
    "RecordSyncFunctionServiceRole: s3:ListBucket on StorageArtifacts": MISSING,
    "RecordSyncFunctionServiceRole: s3:ListBucket on sitewright-*": "of a site with https, whose bucket may have such a name",
    "WorkspaceTaskRole: s3:ListBucket on StorageArtifacts": MISSING,
    "WorkspaceTaskRole: s3:GetObject on Site/*": "asks for the version of a large file: tests/integration/publishing",
    "WorkspaceTaskRole: s3:GetObjectVersion on Site/*": "takes an interrupted publish back: tests/unit/publishing/test_revert.py",
    "WorkspaceTaskRole: s3:AbortMultipartUpload on Site/*": "gives a large upload up that failed",
    "WorkspaceTaskRole: s3:AbortMultipartUpload on StorageArtifacts/{client}/*": "gives a large upload up that failed",
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
