"""`python -m tools.scale` writes the table into docs/scale.md. `--synthesize 1000` also counts the templates of so many sites."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sitewright.contracts.names import SITES_OF_A_CDN_STACK
from tools.scale.growth import SITE, Template, growth, total
from tools.scale.quotas import load
from tools.scale.scale_page import PAGE, table, with_table

REPOSITORY = Path(__file__).parents[2]
ZONE = {"id": "Z0123456789ABCDEFGHIJ", "name": "example.com"}


def synthesize(sites: list[dict[str, Any]], folder: Path) -> dict[str, Template]:
    """Returns the templates that app.py writes for these sites, by the stack's name."""
    context = {
        **json.loads((REPOSITORY / "cdk.json").read_text())["context"],
        "sites": sites,
    }
    file = folder / "context.json"
    file.write_text(json.dumps(context))
    # A context of 1,000 sites is longer than an environment variable may be: app.py finds it in a file, as `cdk` does.
    env = {
        **os.environ,
        "CDK_OUTDIR": str(folder / "cdk.out"),
        "CONTEXT_OVERFLOW_LOCATION_ENV": str(file),
        "CDK_VALIDATION": "false",
    }
    subprocess.run([sys.executable, "app.py"], cwd=REPOSITORY, env=env, check=True)
    found = (folder / "cdk.out").glob("*.template.json")
    return {path.name.removesuffix(".template.json"): json.loads(path.read_text()) for path in found}


def entries(plain: int, https: int) -> list[dict[str, Any]]:
    """Returns entries of so many sites of each kind."""
    base = {"repository": "https://github.com/example/site.git", "domain": "example.com"}
    secure = {**base, "https": True, "hostedZone": ZONE}
    return [{"clientId": f"plain-{n}", **base} for n in range(plain)] + [
        {"clientId": f"https-{n}", **secure} for n in range(https)
    ]


def _measure(sites: int) -> None:
    """Synthesizes so many https sites, and compares the counts with what one site's templates foretell."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        templates = synthesize(entries(0, sites), Path(folder))
        seconds = time.monotonic() - begin
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{sites} sites: {len(templates)} stacks in {seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of a core")
    print(f"template of a site: {len(json.dumps(templates[f'{SITE}https-0'])) / 1000:.0f} kB")
    for key, quota in load().items():
        foretold = growth(templates, quota, "https-0", SITES_OF_A_CDN_STACK).at(sites)
        counted = total(templates, quota)
        print(f"{'' if foretold == counted else 'WRONG '}{key}: {counted} (foretold {foretold})")


def main() -> None:
    """Writes the table, and counts if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tools.scale")
    parser.add_argument("--synthesize", type=int, metavar="SITES", help="count the templates of so many https sites")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        templates = synthesize(entries(1, 1), Path(folder))
    made = table(templates, "plain-0", "https-0", SITES_OF_A_CDN_STACK)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    if options.synthesize:
        _measure(options.synthesize)


main()
