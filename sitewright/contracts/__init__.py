"""What crosses a process boundary: messages, records, step requests and results, names, errors.

The only package that `lambdas`, `container/workspace`, `stacks`, `local` and `cli` all import. It is pure: pydantic and the
standard library, no boto3, no environment, no clock.
"""
