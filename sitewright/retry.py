"""Which failures of AWS pass by themselves, and repeating a call that met one. The one place for both."""

from botocore.exceptions import ClientError


def error_code(error: BaseException) -> str:
    """Return the AWS error code of a botocore ClientError, or an empty string for any other exception."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
