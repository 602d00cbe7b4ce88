"""One client's site: bucket, workspace, state machine, and the registration that lets intake find it."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from sitewright.contracts.names import (
    GIT_TOKEN,
    GITHUB_APP_SECRET,
    MODEL_KEY,
    SIGNING_KEY,
    SITE_PARAMETER_PREFIX,
    build_secret_parameter,
    secret_parameter,
)
from sitewright.contracts.records import SiteEntry
from sitewright.contracts.site_config import SiteConfig
from sitewright.contracts.workspace_settings import GitAuth, ModelProvider, WorkspaceSettings
from stacks.cdn_stack import CdnStack
from stacks.certificate_stack import hosted_zone
from stacks.platform_stack import PlatformStack
from stacks.site.distribution import SiteDistribution
from stacks.site.dns_records import DnsRecords
from stacks.site.run_state_machine import run_state_machine
from stacks.site.site_bucket import private_bucket, website_bucket
from stacks.site.workspace_role import grant_bedrock, grant_workspace
from stacks.site.workspace_task import WorkspaceTask


class SiteStack(Stack):
    """All resources of one site, except its certificate."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: PlatformStack,
        site: SiteConfig,
        cdn: CdnStack | None = None,
        certificate: acm.ICertificate | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        # Its image is built by then. It is no reference that CDK sees.
        self.add_stack_dependency(platform)
        self._platform = platform
        self._site = site
        self.bucket = private_bucket(self, site.bucket) if site.https else website_bucket(self, site.bucket)
        self.distribution = self._distribution(cdn, certificate) if site.https else None
        self._dns_records()
        # The operator stores the secrets: CloudFormation cannot create a parameter of the type SecureString.
        app = site.git_auth is GitAuth.GITHUB_APP
        self.git_secret = GITHUB_APP_SECRET if app else secret_parameter(site.client_id, GIT_TOKEN)
        # Bedrock is reached with the task role: there is no key.
        anthropic = site.model_provider is ModelProvider.ANTHROPIC
        self.model_key = secret_parameter(site.client_id, MODEL_KEY) if anthropic else None
        self.signing_key = secret_parameter(site.client_id, SIGNING_KEY) if site.sign_commits else None
        build = site.build_environment.secrets if site.build_environment else {}
        build_secrets = sorted({build_secret_parameter(site.client_id, name) for name in build.values()})
        self.workspace = WorkspaceTask(
            self,
            "Workspace",
            client_id=site.client_id,
            cpu=site.cpu,
            memory_mib=site.memory_mib,
            environment=self._workspace_settings().to_environment(),
            image=platform.workspace_image,
        )
        grant_workspace(
            self.workspace.definition.task_role,
            client_id=site.client_id,
            bucket=self.bucket,
            distribution=self.distribution,
            stores=platform.stores,
            secrets=[
                *(secret for secret in (self.git_secret, self.model_key, self.signing_key) if secret),
                *build_secrets,
            ],
        )
        if self.model_key is None:
            grant_bedrock(self.workspace.definition.task_role, site)
        self.state_machine = run_state_machine(
            self,
            platform=platform,
            site=site,
            task=self.workspace.definition,
            site_bucket=self.bucket.bucket_name,
        )
        self._register()
        self._outputs()

    def _distribution(self, cdn: CdnStack | None, made: acm.ICertificate | None) -> cloudfront.Distribution:
        arn, certificate = self._site.certificate_arn, made
        if arn is not None:
            certificate = acm.Certificate.from_certificate_arn(self, "Certificate", arn)
        if certificate is None or cdn is None:
            raise ValueError(f"{self._site.client_id}: https without a certificate, or without a stack of shared parts")
        made_here = SiteDistribution(
            self, "Cdn", cdn=cdn, bucket=self.bucket, host=self._site.host, certificate=certificate
        )
        return made_here.distribution

    def _dns_records(self) -> None:
        site = self._site
        if site.hosted_zone and site.zone_name:
            DnsRecords(
                self,
                "Records",
                zone=hosted_zone(self, site.hosted_zone, site.zone_name),
                host=site.host,
                bucket=self.bucket,
                distribution=self.distribution,
            )

    def _workspace_settings(self) -> WorkspaceSettings:
        stores = self._platform.stores
        return WorkspaceSettings.of(
            self._site,
            site_bucket=self.bucket.bucket_name,
            artifacts_bucket=stores.artifacts.bucket_name,
            sessions_table=stores.sessions.table_name,
            commands_table=stores.commands.table_name,
            git_secret=self.git_secret,
            model_key_secret=self.model_key,
            signing_key_secret=self.signing_key,
            distribution_id=self.distribution.distribution_id if self.distribution else None,
        )

    def _register(self) -> None:
        site, stores = self._site, self._platform.stores
        entry = SiteEntry(
            client_id=site.client_id,
            state_machine_arn=self.state_machine.state_machine_arn,
            site_url=site.url,
            bucket=self.bucket.bucket_name,
            artifacts_bucket=stores.artifacts.bucket_name,
            deployments_table=stores.deployments.table_name,
            distribution_id=self.distribution.distribution_id if self.distribution else None,
            max_message_age_seconds=site.max_message_age_seconds,
            monthly_budget_usd=site.monthly_budget_usd,
        )
        ssm.StringParameter(
            self,
            "Entry",
            parameter_name=f"{SITE_PARAMETER_PREFIX}{site.client_id}",
            string_value=self.to_json_string(entry.model_dump(by_alias=True)),
        )

    def _outputs(self) -> None:
        for name, value in {
            "StateMachineArn": self.state_machine.state_machine_arn,
            "SiteBucket": self.bucket.bucket_name,
            "SiteUrl": self._site.url,
            "GitSecret": self.git_secret,
            **({"ModelKeySecret": self.model_key} if self.model_key else {}),
            **({"SigningKeySecret": self.signing_key} if self.signing_key else {}),
            "TaskDefinitionArn": self.workspace.definition.task_definition_arn,
            "LogGroup": self.workspace.log_group.log_group_name,
        }.items():
            CfnOutput(self, name, value=value)
        if self.distribution:
            # Without `hostedZone` the operator's own CNAME points to this domain.
            CfnOutput(self, "DistributionDomain", value=self.distribution.distribution_domain_name)
            CfnOutput(self, "DistributionId", value=self.distribution.distribution_id)
