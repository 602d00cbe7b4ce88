"""`python -m local.bench.publishing.ours DIST SITE_BUCKET ARTIFACTS_BUCKET CLIENT`: the workspace's publish, in a process.

The code of the container, with a fence that is always open: its look at the session is one call to DynamoDB.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from workspace.aws import Clients
from workspace.publish.content import scan
from workspace.publish.execute import publish

_FENCE = SimpleNamespace(verify=lambda **_: None, check_stop=lambda: None)


def _log(message: str, **values: Any) -> None:
    print(message, values, file=sys.stderr)


def main() -> int:
    """Publishes a folder."""
    dist, site, artifacts, client = sys.argv[1:]
    settings = SimpleNamespace(site_bucket=site, artifacts_bucket=artifacts, client_id=client)
    ctx = SimpleNamespace(settings=settings, fence=_FENCE, aws=Clients(), log=_log)
    outcome = publish(cast(Any, ctx), scan(Path(dist)), "0" * 40)
    print(outcome, file=sys.stderr)
    return 1 if outcome.error else 0


if __name__ == "__main__":
    sys.exit(main())
