"""A site's workflow parts for tests."""

from stacks.site.workflow_states import WorkflowParts

PARTS = WorkflowParts(
    partition="aws",
    cluster_arn="arn:aws:ecs:us-west-2:123456789012:cluster/c",
    task_family="sitewright-amelia",
    commit_message_arn="arn:aws:lambda:us-west-2:123456789012:function:m",
    record_sync_arn="arn:aws:lambda:us-west-2:123456789012:function:r",
    make_room_arn="arn:aws:lambda:us-west-2:123456789012:function:room",
    site_bucket="edit.amelia.example.com",
    sessions_table="Sessions",
    repair_attempts=1,
    agent_seconds=1800,
    build_seconds=900,
    push_seconds=300,
    run_seconds=5400,
)
