"""One client's site: bucket, secrets, workspace, state machine, and the registration that lets intake find it."""

from typing import Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from sitewright.contracts.names import SITE_PARAMETER_PREFIX, state_machine_name
from sitewright.contracts.records import SiteEntry
from sitewright.contracts.site_config import SiteConfig
from sitewright.contracts.workspace_settings import WorkspaceSettings
from stacks.certificate_stack import hosted_zone
from stacks.constructs.distribution import SiteDistribution
from stacks.constructs.site_records import SiteRecords
from stacks.constructs.versions import lifecycle_rules
from stacks.constructs.workflow import definition
from stacks.constructs.workflow_states import WorkflowParts
from stacks.constructs.workspace_task import WorkspaceTask
from stacks.platform_stack import PlatformStack


class SiteStack(Stack):
    """Everything that belongs to one site only, but for a certificate that is made for it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: PlatformStack,
        site: SiteConfig,
        certificate: acm.ICertificate | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._platform = platform
        self._site = site
        self.bucket = self._private_bucket() if site.https else self._website_bucket()
        self.distribution = self._distribution(certificate) if site.https else None
        self._records()
        self.git_token = self._secret("git-token", "Token with write access to the site's git repository")
        self.model_key = self._secret("model-key", "API key of the model")
        self.workspace = WorkspaceTask(
            self,
            "Workspace",
            client_id=site.client_id,
            cpu=site.cpu,
            memory_mib=site.memory_mib,
            environment=self._environment(),
        )
        self._grant_workspace()
        self.state_machine = self._state_machine()
        self._register()

    def _private_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Site",
            bucket_name=self._site.bucket,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=lifecycle_rules(),
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _website_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Site",
            bucket_name=self._site.bucket,
            website_index_document="index.html",
            website_error_document="404.html",
            public_read_access=True,
            block_public_access=s3.BlockPublicAccess(
                block_public_acls=True,
                ignore_public_acls=True,
                block_public_policy=False,
                restrict_public_buckets=False,
            ),
            versioned=True,
            lifecycle_rules=lifecycle_rules(),
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _distribution(self, made: acm.ICertificate | None) -> cloudfront.Distribution:
        arn, certificate = self._site.certificate_arn, made
        if arn is not None:
            certificate = acm.Certificate.from_certificate_arn(self, "Certificate", arn)
        if certificate is None:
            raise ValueError(f"{self._site.client_id}: https without a certificate")
        cdn = SiteDistribution(self, "Cdn", bucket=self.bucket, host=self._site.host, certificate=certificate)
        return cdn.distribution

    def _records(self) -> None:
        site = self._site
        if site.hosted_zone and site.zone_name:
            SiteRecords(
                self,
                "Records",
                zone=hosted_zone(self, site.hosted_zone, site.zone_name),
                host=site.host,
                bucket=self.bucket,
                distribution=self.distribution,
            )

    def _secret(self, name: str, description: str) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            name,
            secret_name=f"sitewright/{self._site.client_id}/{name}",
            description=description,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _environment(self) -> dict[str, str]:
        storage = self._platform.storage
        return WorkspaceSettings.of(
            self._site,
            site_bucket=self.bucket.bucket_name,
            artifacts_bucket=storage.artifacts.bucket_name,
            sessions_table=storage.sessions.table_name,
            commands_table=storage.commands.table_name,
            git_token_secret=self.git_token.secret_arn,
            model_key_secret=self.model_key.secret_arn,
            distribution_id=self.distribution.distribution_id if self.distribution else None,
        ).to_environment()

    def _grant_workspace(self) -> None:
        role, storage = self.workspace.definition.task_role, self._platform.storage
        # What the publish does: list, put (in parts too), copy an older version back, delete. HeadObject, for the version that a
        # put in parts made, is authorized as GetObject. A conditional put with If-Match is too (S3 User Guide, "Preventing
        # object overwrites with conditional writes"): that is the manifest's, in the other bucket.
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=[
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                ],
                resources=[self.bucket.arn_for_objects("*")],
            )
        )
        role.add_to_principal_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]))
        if self.distribution:
            self.distribution.grant_create_invalidation(role)
        # Written out: a grant of the platform's bucket to this stack's role is cut to the client's own prefix.
        artifacts = storage.artifacts
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=[
                    "s3:GetObject",
                    "s3:PutObject",
                    # For objects that are uploaded with tags (S3 API reference, PutObject, "Permissions").
                    "s3:PutObjectTagging",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                ],
                resources=[artifacts.arn_for_objects(f"{self._site.client_id}/*")],
            )
        )
        role.add_to_principal_policy(
            iam.PolicyStatement(
                # Without ListBucket a missing key answers 403 instead of 404 (S3 API reference, GetObject).
                actions=["s3:ListBucket"],
                resources=[artifacts.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{self._site.client_id}/*"]}},
            )
        )
        for table in (storage.sessions, storage.commands):
            role.add_to_principal_policy(
                iam.PolicyStatement(actions=["dynamodb:GetItem", "dynamodb:UpdateItem"], resources=[table.table_arn])
            )
        secrets = [self.git_token.secret_arn, self.model_key.secret_arn]
        role.add_to_principal_policy(iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=secrets))
        role.add_to_principal_policy(
            iam.PolicyStatement(
                # Task tokens carry no resource to cut the permission to.
                actions=["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"],
                resources=["*"],
            )
        )

    def _run_role(self) -> iam.Role:
        """What a run may do. Waiting for a token needs neither StopTask nor the events rule that `.sync` needs."""
        platform, task = self._platform, self.workspace.definition
        role = iam.Role(self, "RunRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        family = f"arn:{self.partition}:ecs:{self.region}:{self.account}:task-definition/{task.family}"
        role.add_to_policy(
            iam.PolicyStatement(
                # ECS resolves the family to its newest revision before it authorizes (ECS API reference, RunTask).
                actions=["ecs:RunTask"],
                resources=[f"{family}:*"],
                conditions={"ArnEquals": {"ecs:cluster": platform.cluster.cluster_arn}},
            )
        )
        tasks = f"arn:{self.partition}:ecs:{self.region}:{self.account}:task/{platform.cluster.cluster_name}/*"
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
        if self._site.idle_seconds > 0:
            # An offer to the session's workspace is a write to the session's item.
            sessions = platform.storage.sessions
            role.add_to_policy(iam.PolicyStatement(actions=["dynamodb:UpdateItem"], resources=[sessions.table_arn]))
        platform.commit_message.grant_invoke(role)
        platform.record_sync.grant_invoke(role)
        return role

    def _state_machine(self) -> sfn.StateMachine:
        site, platform, task = self._site, self._platform, self.workspace.definition
        parts = WorkflowParts(
            partition=self.partition,
            cluster_arn=platform.cluster.cluster_arn,
            task_family=task.family,
            subnets=[subnet.subnet_id for subnet in platform.network.vpc.public_subnets],
            security_group=platform.network.security_group.security_group_id,
            commit_message_arn=platform.commit_message.function_arn,
            record_sync_arn=platform.record_sync.function_arn,
            site_bucket=self.bucket.bucket_name,
            sessions_table=platform.storage.sessions.table_name,
            idle_seconds=site.idle_seconds,
            repair_attempts=site.build_repair_attempts,
            agent_seconds=site.agent_timeout_seconds,
            build_seconds=site.build_timeout_seconds,
            push_seconds=site.push_timeout_seconds,
            run_seconds=site.run_timeout_seconds,
        )
        machine = sfn.StateMachine(
            self,
            "Run",
            state_machine_name=state_machine_name(site.client_id),
            definition_body=sfn.DefinitionBody.from_string(self.to_json_string(definition(parts))),
            role=self._run_role(),
            logs=sfn.LogOptions(
                destination=logs.LogGroup(
                    self, "RunLog", retention=logs.RetentionDays.THREE_MONTHS, removal_policy=RemovalPolicy.DESTROY
                ),
                level=sfn.LogLevel.ERROR,
                include_execution_data=False,
            ),
        )
        # The family is a plain name: without this CloudFormation may create the machine before what it runs.
        machine.node.add_dependency(task)
        return machine

    def _register(self) -> None:
        site = self._site
        entry = SiteEntry(
            client_id=site.client_id,
            state_machine_arn=self.state_machine.state_machine_arn,
            site_url=site.url,
            bucket=self.bucket.bucket_name,
            artifacts_bucket=self._platform.storage.artifacts.bucket_name,
            deployments_table=self._platform.storage.deployments.table_name,
            distribution_id=self.distribution.distribution_id if self.distribution else None,
        )
        ssm.StringParameter(
            self,
            "Entry",
            parameter_name=f"{SITE_PARAMETER_PREFIX}{site.client_id}",
            string_value=self.to_json_string(entry.model_dump(by_alias=True)),
        )
        for name, value in {
            "StateMachineArn": self.state_machine.state_machine_arn,
            "SiteBucket": self.bucket.bucket_name,
            "SiteUrl": site.url,
            "GitTokenSecretArn": self.git_token.secret_arn,
            "ModelKeySecretArn": self.model_key.secret_arn,
            "TaskDefinitionArn": self.workspace.definition.task_definition_arn,
            "LogGroup": self.workspace.log_group.log_group_name,
        }.items():
            CfnOutput(self, name, value=value)
        if self.distribution:
            # What a CNAME points to where there is no `hostedZone`.
            CfnOutput(self, "DistributionDomain", value=self.distribution.distribution_domain_name)
            CfnOutput(self, "DistributionId", value=self.distribution.distribution_id)
