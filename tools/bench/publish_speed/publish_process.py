"""`python -m tools.bench.publish_speed.publish_process DIST SITE_BUCKET ARTIFACTS_BUCKET CLIENT [ID]`: publishes, or rolls back.

The id is the deployment that a rollback restores.

Uses the library as the workspace does, but without the workspace's guard, which sends requests to DynamoDB.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from workspace.system.aws_clients import Clients

from sitewright.publishing.dist_files import scan
from sitewright.publishing.manifest_store import read_deployment
from sitewright.publishing.publisher import Publish
from sitewright.publishing.rollback import roll_back
from sitewright.publishing.target import NoGuard, PublishTarget


def _log(message: str, **values: Any) -> None:
    print(message, values, file=sys.stderr)


def main() -> None:
    """Publishes a folder, or rolls back. The last line on stderr is JSON: `warm` (seconds without the start of Python and
    botocore), `back` (seconds until a rollback's last progress line, before it compares the bucket), and the deployment's id.
    """
    dist, bucket, artifacts, client, *back = sys.argv[1:]
    aws = Clients()
    s3 = aws.s3  # A workspace has made this client before.
    began = time.monotonic()
    seconds: dict[str, float] = {}
    target = PublishTarget(s3, bucket, artifacts, client, "bench", NoGuard(), _log, _log, aws.small_objects)
    if back:
        target = replace(target, progress=lambda _: seconds.update(back=time.monotonic() - began))
        done = roll_back(target, read_deployment(target, back[0]))
    else:
        done = Publish(target, scan(Path(dist)), "0" * 40).run()
    print(json.dumps({"warm": time.monotonic() - began, **seconds, "id": done.deployment_id}), file=sys.stderr)


if __name__ == "__main__":
    main()
