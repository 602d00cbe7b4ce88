"""The state machine of a site's runs, and the role of a run.

Their scope is the stack itself: a scope of their own would change the logical ids of deployed resources.
"""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn

from sitewright.contracts.names import CLUSTER, run_log_group, state_machine_name
from sitewright.contracts.site_config import SiteConfig
from stacks import trust
from stacks.accepted_findings import TRACES, accept, accept_wildcards
from stacks.arns import arn, cluster_arn, function_arn
from stacks.leading_keys import own_items
from stacks.platform_stack import PlatformStack
from stacks.site.workflow import definition
from stacks.site.workflow_states import WorkflowParts


def run_state_machine(
    stack: Stack, *, platform: PlatformStack, site: SiteConfig, task: ecs.FargateTaskDefinition, site_bucket: str
) -> sfn.StateMachine:
    """Creates the state machine that runs a site's commands. `site_bucket` is the bucket's name."""
    parts = WorkflowParts(
        partition=stack.partition,
        cluster_arn=cluster_arn(stack),
        task_family=task.family,
        commit_message_arn=function_arn(stack, "commit_message"),
        record_sync_arn=function_arn(stack, "record_sync"),
        make_room_arn=function_arn(stack, "make_room"),
        site_bucket=site_bucket,
        sessions_table=platform.stores.sessions.table_name,
        repair_attempts=site.build_repair_attempts,
        agent_seconds=site.agent_timeout_seconds,
        build_seconds=site.build_timeout_seconds,
        push_seconds=site.push_timeout_seconds,
        run_seconds=site.run_timeout_seconds,
    )
    role = _run_role(stack, platform, site, task)
    machine = sfn.StateMachine(
        stack,
        "Run",
        state_machine_name=state_machine_name(site.client_id),
        definition_body=sfn.DefinitionBody.from_string(stack.to_json_string(definition(parts))),
        role=role,
        tracing_enabled=True,
        logs=sfn.LogOptions(
            destination=logs.LogGroup(
                stack,
                "RunLog",
                log_group_name=run_log_group(site.client_id),
                retention=logs.RetentionDays.THREE_MONTHS,
                removal_policy=RemovalPolicy.DESTROY,
            ),
            level=sfn.LogLevel.ERROR,
            include_execution_data=False,
        ),
    )
    accept(
        machine,
        "Step Functions itself keeps each event for 90 days. A log of them would copy the clients' instructions, and cost.",
        "AwsSolutions-SF1",
    )
    accept_wildcards(role, TRACES, "*")
    # The definition names the family as plain text. Without the dependency CloudFormation may create the machine first.
    machine.node.add_dependency(task)
    return machine


def _run_role(stack: Stack, platform: PlatformStack, site: SiteConfig, task: ecs.FargateTaskDefinition) -> iam.Role:
    """Creates the role of a run. Waiting for a token needs neither StopTask nor the events rule that `.sync` needs."""
    family = arn(stack, "ecs", f"task-definition/{task.family}:*")
    tasks = arn(stack, "ecs", f"task/{CLUSTER}/*")
    role = iam.Role(stack, "RunRole", assumed_by=trust.runs(stack))
    role.add_to_policy(
        iam.PolicyStatement(
            # ECS resolves the family to its newest revision before it authorizes (ECS API reference, RunTask).
            actions=["ecs:RunTask"],
            resources=[family],
            conditions={"ArnEquals": {"ecs:cluster": cluster_arn(stack)}},
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            # Tags that RunTask propagates (ECS developer guide, "Grant permission to tag resources on creation").
            actions=["ecs:TagResource"],
            resources=[tasks],
            conditions={"StringEquals": {"ecs:CreateAction": "RunTask"}},
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[task.task_role.role_arn, task.obtain_execution_role().role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            # An offer to the session's workspace is a write to the session's item.
            actions=["dynamodb:UpdateItem"],
            resources=[platform.stores.sessions.table_arn],
            conditions=own_items(site.client_id),
        )
    )
    functions = [function_arn(stack, name) for name in ("commit_message", "record_sync", "make_room")]
    role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=functions))
    accept_wildcards(role, "IAM has no resource for the delivery of logs, which CDK allows the role.", "*")
    accept_wildcards(role, "RunTask names the family alone, so that a run outlives a deployment.", family)
    accept_wildcards(role, "A task's id is known when it has started.", tasks)
    return role
