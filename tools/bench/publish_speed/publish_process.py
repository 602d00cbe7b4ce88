"""`python -m tools.bench.publish_speed.publish_process DIST SITE_BUCKET ARTIFACTS_BUCKET CLIENT [ID]`: the workspace's publish, in a
process, or the rollback to a deployment.

The code of the container, with a guard that is always open: the workspace's looks at the session, by calls to DynamoDB.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from workspace.system.aws_clients import Clients

from sitewright.publishing.publisher import Publish
from sitewright.publishing.rollback import read_deployment, roll_back
from sitewright.publishing.site_files import scan
from sitewright.publishing.target import Open, Site


def _log(message: str, **values: Any) -> None:
    print(message, values, file=sys.stderr)


def main() -> None:
    """Publishes a folder, or goes back; the last line it writes has the seconds without the start of Python and botocore
    (`warm`), after how many of them a rollback said that the site is restored (`back`), and the deployment's id.
    """
    dist, bucket, artifacts, client, *back = sys.argv[1:]
    aws = Clients()
    s3 = aws.s3  # which a workspace has already
    began = time.monotonic()
    told: dict[str, float] = {}
    if back:
        target = read_deployment(s3, artifacts, client, back[0])
        done = roll_back(
            s3,
            bucket=bucket,
            artifacts=artifacts,
            client_id=client,
            target=target,
            log=_log,
            # What it says last, before it compares.
            progress=lambda _: told.update(back=time.monotonic() - began),
            quick=aws.quick,
        )
    else:
        site = Site(s3, bucket, artifacts, client, "bench", Open(), _log, _log, aws.quick)
        done = Publish(site, scan(Path(dist)), "0" * 40).run()
    print(json.dumps({"warm": time.monotonic() - began, **told, "id": done.deployment_id}), file=sys.stderr)


if __name__ == "__main__":
    main()
