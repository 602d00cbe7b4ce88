"""The state machine of the platform that waits for saved work before a command is answered."""

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn

from sitewright.contracts.names import ANSWER_MACHINE
from stacks import trust
from stacks.accepted_findings import accept, accept_wildcards
from stacks.platform.answer_workflow import answer_definition


def answer_machine(stack: Stack, *, respond: lambda_.Function, commands: dynamodb.Table) -> sfn.StateMachine:
    """Creates the state machine. `respond` starts it by its name, so neither refers to the other in a circle."""
    role = iam.Role(stack, "AnswerRole", assumed_by=trust.answers(stack))
    role.add_to_policy(iam.PolicyStatement(actions=["dynamodb:UpdateItem"], resources=[commands.table_arn]))
    respond.grant_invoke(role)
    accept_wildcards(role, "A function's versions are the function: CDK's own grant names them.", "…:*")
    definition = answer_definition(stack.partition, commands.table_name, respond.function_arn)
    machine = sfn.StateMachine(
        stack,
        "Answer",
        state_machine_name=ANSWER_MACHINE,
        definition_body=sfn.DefinitionBody.from_string(stack.to_json_string(definition)),
        role=role,
    )
    accept(machine, "Step Functions itself keeps each event for 90 days.", "AwsSolutions-SF1")
    accept(machine, "A wait's steps and times are in the history that Step Functions keeps.", "AwsSolutions-SF2")
    return machine
