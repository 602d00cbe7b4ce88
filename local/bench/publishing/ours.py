"""`python -m local.bench.publishing.ours DIST SITE_BUCKET ARTIFACTS_BUCKET CLIENT`: the workspace's publish, in a process.

The code of the container, with a guard that is always open: the workspace's looks at the session, by calls to DynamoDB.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from workspace.aws import Clients
from workspace.publish.content import scan
from workspace.publish.execute import Publish
from workspace.publish.site import Open, Site


def _log(message: str, **values: Any) -> None:
    print(message, values, file=sys.stderr)


def main() -> None:
    """Publishes a folder; the last line it writes says how long it took without the start of Python and botocore."""
    dist, bucket, artifacts, client = sys.argv[1:]
    aws = Clients()
    s3 = aws.s3  # which a workspace has already
    began = time.monotonic()
    site = Site(s3, bucket, artifacts, client, "bench", Open(), _log, _log, aws.quick)
    Publish(site, scan(Path(dist)), "0" * 40).run()
    print(json.dumps({"warm": time.monotonic() - began}), file=sys.stderr)


if __name__ == "__main__":
    main()
