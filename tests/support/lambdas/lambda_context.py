"""The context object of an invocation, as Lambda hands it to an entry point."""

from aws_lambda_powertools.utilities.typing import LambdaContext


class Invocation(LambdaContext):
    """An invocation whose function is named after nothing."""

    _function_name = "function"
    _memory_limit_in_mb = 256
    _invoked_function_arn = "arn:aws:lambda:us-west-2:123456789012:function:function"
    _aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


CONTEXT = Invocation()
