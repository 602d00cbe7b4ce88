"""Checks stacks by cdk-preflight: mistakes that CloudFormation finds only while it deploys. docs/decisions tell why."""

from collections.abc import Iterable

import aws_cdk as cdk
from cdk_preflight import Preflight

SERVICES = (
    *(
        "acm",
        "cfn",
        "cloudfront",
        "cloudwatch",
        "codebuild",
        "dynamodb",
        "ec2",
        "ecr",
        "ecs",
        "events",
        "iam",
        "lambda",
    ),
    *("logs", "route53", "route53resolver", "s3", "secretsmanager", "sfn", "sns", "sqs", "ssm", "tags", "xray"),
)
"""The services that the stacks use, as rules name them. A rule costs its compilation for each stack."""


def refuse_what_cloudformation_refuses(app: cdk.App) -> None:
    """Makes the synthesis of the app fail on a finding."""
    Preflight.apply(app, exclude=list(_of_other_services(Preflight.rule_ids())))


def _of_other_services(rules: Iterable[str]) -> Iterable[str]:
    return (rule for rule in rules if rule.split("-")[1] not in SERVICES)
