"""The base of every model that is written as JSON: camelCase in JSON, snake_case in Python, immutable."""

from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Contract(BaseModel):
    """A frozen model whose JSON names are camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def to_json(self) -> str:
        """Returns the model as one line of JSON with camelCase names; None stays as null."""
        return self.model_dump_json(by_alias=True)

    def to_item(self) -> dict[str, Any]:
        """Returns the model as a DynamoDB item in Python's values: no nulls, and Decimal for every float.

        boto3 refuses floats (its serializer raises TypeError). Each float is converted through its shortest text.
        """
        item: dict[str, Any] = _decimals(self.model_dump(mode="json", by_alias=True, exclude_none=True))
        return item

    @classmethod
    def from_item(cls, item: dict[str, Any]) -> Self:
        """Parses a DynamoDB item in Python's values. Raises pydantic.ValidationError."""
        return cls.model_validate(item)


def _decimals(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {k: _decimals(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_decimals(v) for v in value]
    return value
