"""JSONata expressions that fail for no value. Pure.

A Choice has no Catch, so a run ends there when its expression fails or is no boolean (Step Functions developer guide,
"Transforming data with JSONata in Step Functions", errors: `States.QueryEvaluationError`). A comparison with null, with a
text or with a missing name is such a failure.
"""

from typing import Any

Json = dict[str, Any]


def is_true(path: str) -> str:
    """Returns the expression that a value is `true`. An equality with a missing value is false, never undefined."""
    return f"{path} = true"


def is_positive(path: str) -> str:
    """Returns the expression that a value is a number above 0."""
    return f"$type({path}) = 'number' ? {path} > 0 : false"


def array(path: str) -> str:
    """Returns the expression for a list; an empty one for any other value."""
    return f"$type({path}) = 'array' ? {path} : []"


def number(path: str) -> str:
    """Returns the expression for a number; 0 for any other value."""
    return f"$type({path}) = 'number' ? {path} : 0"


def text(path: str) -> str:
    """Returns the expression for a text; an empty one for any other value."""
    return f"$type({path}) = 'string' ? {path} : ''"


def shortened(path: str, characters: int) -> str:
    """Returns the expression for the beginning of a text; an empty one for any other value."""
    return f"$type({path}) = 'string' ? $substring({path}, 0, {characters}) : ''"
