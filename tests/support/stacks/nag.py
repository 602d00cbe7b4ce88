"""Checks an app by cdk-nag's AwsSolutions, and reads what its constructs accept.

cdk-nag obeys an acknowledgement of the exact finding. A finding of a wildcard in a policy has values in its id that CDK knows
only after the synthesis. `accept_wildcards` writes `…` for them, so these are compared here.
"""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

RESOLVED = re.compile(r"<[^<>]*>|Sitewright-[\w-]+:ExportsOutput\w+")
"""A reference in a finding's id: `<Logical.Arn>`, or an export of another stack."""


def cdk_nag_findings(app: cdk.App, outdir: Path) -> list[str]:
    """Returns the findings that no construct accepts, of a synthesized app."""
    accepted = _accepted(outdir)
    report: Any = AwsSolutionsChecks(app).validate_scope(app)
    found = [(v.rule_name, r.construct_path) for v in report.violations for r in v.violating_resources]
    return sorted(f"{path}: {rule}" for rule, path in found if not _is_accepted(accepted, path, rule))


def _accepted(outdir: Path) -> dict[str, set[str]]:
    """Returns the ids that each construct accepts, by its path."""
    accepted: dict[str, set[str]] = {}
    for file in outdir.glob("*.metadata.json"):
        for path, entries in json.loads(file.read_text()).items():
            for entry in entries:
                if entry["type"] == cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY:
                    accepted.setdefault(path, set()).update(id.removeprefix("Annotation::") for id in entry["data"])
    return accepted


def _is_accepted(accepted: dict[str, set[str]], path: str, rule: str) -> bool:
    readable = RESOLVED.sub("…", rule)
    parts = path.split("/")
    above = ("/" + "/".join(parts[:end]) for end in range(1, len(parts) + 1))
    return any(readable in accepted.get(at, ()) for at in above)
