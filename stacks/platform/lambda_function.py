"""A Lambda function with the shared code asset, the layer of packages and a log group."""

from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from sitewright.contracts.names import METRICS_NAMESPACE, function_name
from stacks import trust
from stacks.accepted_findings import TRACES, accept, accept_wildcards
from stacks.platform.function_packages import packages_layer

REPOSITORY = Path(__file__).parents[2]
SHARED = ["!sitewright", "!sitewright/**", "sitewright/cli", "sitewright/local"]
"""The part of the package `sitewright` that functions and workspaces contain, as patterns of .dockerignore."""

JUNK = ["**/__pycache__", "**/*.pyc", "**/.*"]
"""Files beside the code that must not change an asset's hash, as patterns of .dockerignore."""


class LambdaFunction(Construct):
    """The function `lambdas.{module}.handler.handler` with the given environment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        module: str,
        timeout: Duration,
        environment: dict[str, str],
        memory_size: int = 256,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self, "Log", retention=logs.RetentionDays.THREE_MONTHS, removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(self, "FunctionServiceRole", assumed_by=trust.functions(Stack.of(self)))
        log_group.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Function",
            # Site stacks name functions without importing them. No change of code or settings replaces a function.
            function_name=function_name(module),
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"lambdas.{module}.handler.handler",
            code=lambda_.Code.from_asset(
                str(REPOSITORY),
                exclude=["*", "!lambdas", "!lambdas/**", *SHARED, *JUNK],
                ignore_mode=IgnoreMode.DOCKER,
            ),
            layers=[packages_layer(Stack.of(self))],
            role=role,
            timeout=timeout,
            memory_size=memory_size,
            # X-Ray. The state machine's runs are traced too, and a run's functions show in its trace.
            tracing=lambda_.Tracing.ACTIVE,
            environment={
                "POWERTOOLS_SERVICE_NAME": module,
                "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
                "LOG_LEVEL": "INFO",
                **environment,
            },
            log_group=log_group,
        )
        accept_wildcards(role, TRACES, "*")
        accept(
            self.function,
            "The runtime is the one that the functions' packages are made for. It changes with them.",
            "AwsSolutions-L1",
        )
