"""A Lambda function with the shared code asset, the Powertools layer and a log group."""

from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from sitewright.contracts.names import METRICS_NAMESPACE, function_name
from stacks import trust
from stacks.accepted_findings import accept

REPOSITORY = Path(__file__).parents[2]
SHARED = ["!sitewright", "!sitewright/**", "sitewright/cli", "sitewright/local"]
"""The part of the package `sitewright` that functions and workspaces contain, as patterns of .dockerignore."""

JUNK = ["**/__pycache__", "**/*.pyc", "**/.*"]
"""Files beside the code that must not change an asset's hash, as patterns of .dockerignore."""

POWERTOOLS_ACCOUNT = "017000801446"
"""The AWS account that publishes the layer (Powertools for AWS Lambda (Python), "Installation")."""
POWERTOOLS_LAYER = "AWSLambdaPowertoolsPythonV3-python313-arm64:27"


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
        layer = f"arn:aws:lambda:{Stack.of(self).region}:{POWERTOOLS_ACCOUNT}:layer:{POWERTOOLS_LAYER}"
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
            layers=[lambda_.LayerVersion.from_layer_version_arn(self, "Powertools", layer)],
            role=role,
            timeout=timeout,
            memory_size=memory_size,
            environment={
                "POWERTOOLS_SERVICE_NAME": module,
                "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
                "LOG_LEVEL": "INFO",
                **environment,
            },
            log_group=log_group,
        )
        accept(
            self.function,
            "The runtime is the one that the functions' packages are made for. It changes with them.",
            "AwsSolutions-L1",
        )
