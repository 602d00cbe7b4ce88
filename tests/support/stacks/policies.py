"""Evaluates the policies of a synthesized role: may it do this?

MiniStack's evaluator decides. It is a second implementation of IAM, by other people than ours.
"""

from dataclasses import dataclass
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from tests.support.stacks.synthesized_templates import PLATFORM, REGION, Template, statements

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Role:
    """A role of a stack: the one whose logical id contains `name`."""

    templates: dict[str, Template]
    stack: str
    name: str

    def may(self, action: str, resource: str, **keys: Any) -> bool:
        """Returns whether the role may do it. `keys` are condition keys, with `_` in the place of `:`."""
        found = statements(self.templates[self.stack], self.name)
        assert found, f"no policy of {self.name}"
        document = {"Statement": [{**s, "Resource": self._plain(s["Resource"])} for s in found]}
        context = EvalContext(
            principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/session",
            principal_type="AssumedRole",
            principal_account=ACCOUNT,
            action=action,
            resource_arn=resource,
            region=REGION,
            service_context={name.replace("_", ":").lower(): value for name, value in keys.items()},
        )
        return evaluate(context, [parse_policy_document(document)]).decision == "Allow"

    def _plain(self, value: Any) -> Any:
        return [self._text(v) for v in value] if isinstance(value, list) else self._text(value)

    def _text(self, value: Any) -> str:
        return text(self.templates, self.stack, value)


def text(templates: dict[str, Template], stack: str, value: Any) -> str:
    """Returns the text of a template's value. A resource's ARN or name is `arn:…:{stack}/{logical id}` or `{logical id}`."""
    if isinstance(value, str):
        return value
    ((function, of),) = value.items()
    if function == "Fn::Join":
        return str(of[0]).join(text(templates, stack, part) for part in of[1])
    if function == "Ref":
        pseudo = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT}
        return pseudo.get(of, f"{stack}/{of}")
    if function == "Fn::GetAtt":
        return f"arn:{stack}/{of[0]}" if of[1] == "Arn" else f"{stack}/{of[0]}.{of[1]}"
    if function == "Fn::ImportValue":
        outputs = templates[PLATFORM]["Outputs"].values()
        (exported,) = (o["Value"] for o in outputs if o.get("Export", {}).get("Name") == of)
        return text(templates, PLATFORM, exported)
    raise AssertionError(f"an intrinsic function that no role uses: {function}")


def named(template: Template, kind: str, part: str) -> str:
    """Returns the logical id of the resource of a type whose id contains `part`."""
    (found,) = (name for name, r in template["Resources"].items() if r["Type"] == kind and part in name)
    return str(found)
