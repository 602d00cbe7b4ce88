"""ARNs of resources whose names the contracts define. Rights can refer to them before the resources exist."""

from aws_cdk import Stack

from sitewright.contracts.names import CLUSTER, function_name, state_machine_name


def arn(stack: Stack, service: str, resource: str) -> str:
    """Returns the ARN of a resource in the stack's account and region."""
    return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{resource}"


def cluster_arn(stack: Stack) -> str:
    """Returns the ARN of the cluster of all workspaces."""
    return arn(stack, "ecs", f"cluster/{CLUSTER}")


def function_arn(stack: Stack, module: str) -> str:
    """Returns the ARN of the function of a folder in `lambdas/`."""
    return arn(stack, "lambda", f"function:{function_name(module)}")


def state_machine_arn(stack: Stack, client_id: str) -> str:
    """Returns the ARN of a site's state machine; `*` stands for every site."""
    return arn(stack, "states", f"stateMachine:{state_machine_name(client_id)}")


def any_execution_arn(stack: Stack) -> str:
    """Returns the ARN pattern of every run of every site."""
    return arn(stack, "states", f"execution:{state_machine_name('*')}:*")
