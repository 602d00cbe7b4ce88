"""Data and names that cross a process boundary: messages, records, step requests and results, names, errors.

The `lambdas`, `container/workspace`, `stacks`, `local` and `cli` all import this package. It is pure: pydantic and the
standard library, no boto3, no environment, no clock.
"""
