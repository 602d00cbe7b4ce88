"""`python -m sitewright.local.website --endpoint URL --region R --site BUCKET=PORT [--site …]`."""

import argparse
import asyncio
import signal

import uvicorn

from sitewright.local.aws_clients import Aws
from sitewright.local.machine.ports import LOOPBACK
from sitewright.local.website.website_app import site_app


class _Server(uvicorn.Server):
    """One of several servers in one loop. The program handles signals, not each server."""

    def install_signal_handlers(self) -> None:
        """Leaves the handlers alone."""


async def serve(aws: Aws, sites: dict[str, int]) -> None:
    """Serves every site on its port until SIGTERM or SIGINT."""
    servers = []
    for bucket, port in sites.items():
        config = uvicorn.Config(
            site_app(aws.s3, bucket), host=LOOPBACK, port=port, log_level="warning", access_log=False, lifespan="off"
        )
        servers.append(_Server(config))

    def end() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await asyncio.gather(*(server._serve() for server in servers))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sitewright.local.website")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--site", action="append", default=[], metavar="BUCKET=PORT")
    options = parser.parse_args()
    sites = {bucket: int(port) for bucket, _, port in (site.rpartition("=") for site in options.site)}
    asyncio.run(serve(Aws(options.endpoint, options.region), sites))


if __name__ == "__main__":
    main()
