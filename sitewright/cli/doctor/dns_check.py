"""Looks a site's host up, as a visitor's browser does."""

from collections.abc import Callable, Sequence

from sitewright.cli.doctor.findings import Finding, failed, not_checked, ok
from sitewright.contracts.site_config import SiteConfig

CHECK = "DNS"
LIFETIME_SECONDS = 5.0

Lookup = Callable[[str, str], Sequence[str]]
"""Returns the values of a name's records of a type; empty if there are none. Raises Unanswered."""


class Unanswered(Exception):
    """No DNS server answered."""


def lookup(name: str, kind: str) -> Sequence[str]:
    """Asks this machine's resolver. Raises Unanswered."""
    # dnspython takes 0.2 s, which no other command should wait for.
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        found = dns.resolver.resolve(name, kind, lifetime=LIFETIME_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise Unanswered(f"no DNS server answered for {name} ({type(error).__name__})") from error
    return sorted(str(record).rstrip(".").lower() for record in found)


_DASHED = "us-east-1 us-west-1 us-west-2 ap-southeast-1 ap-southeast-2 ap-northeast-1 eu-west-1 sa-east-1 us-gov-west-1"
"""Regions whose website endpoints have a dash before the region. All others have a dot.

Source: https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints
"""


def website_endpoint(bucket: str, region: str) -> str:
    """Returns the name of a bucket's website."""
    return f"{bucket}.s3-website{'-' if region in _DASHED.split() else '.'}{region}.amazonaws.com"


def host_points_at(site: SiteConfig, target: str, ask: Lookup) -> Finding:
    """Tells whether the host is a CNAME of `target`. For a site whose operator makes the record."""
    remedy = f"Create a CNAME from {site.host} to {target}."
    try:
        found = ask(site.host, "CNAME")
        if not found and ask(site.host, "A"):
            message = f"{site.host} has addresses and no CNAME: an alias or proxy hides where it points."
            return not_checked(CHECK, message, f"Check that it leads to {target}.", site.client_id)
    except Unanswered as error:
        return not_checked(CHECK, f"{error}.", "Check this machine's network.", site.client_id)
    if not found:
        return failed(CHECK, f"{site.host} does not exist.", remedy, site.client_id)
    if found[0] != target:
        return failed(CHECK, f"{site.host} points at {found[0]}.", remedy, site.client_id)
    return ok(CHECK, f"{site.host} points at {found[0]}.", site.client_id)


def zone_is_delegated(site: SiteConfig, zone: str, servers: Sequence[str], ask: Lookup) -> Finding:
    """Tells whether the world asks the name servers of the site's Route 53 zone. Else its records have no effect."""
    wanted = sorted(server.rstrip(".").lower() for server in servers)
    try:
        found = list(ask(zone, "NS"))
    except Unanswered as error:
        return not_checked(CHECK, f"{error}.", "Check this machine's network.", site.client_id)
    if found != wanted:
        what = f"at {', '.join(found)}" if found else "nowhere"
        remedy = f"At the domain's registrar set the name servers {', '.join(wanted)}, or correct `hostedZone`."
        return failed(CHECK, f"{zone} is served {what}, not by the zone of `hostedZone`.", remedy, site.client_id)
    return ok(CHECK, f"{zone} is served by its zone.", site.client_id)
