"""Runs the three tools through the scenarios, taking turns."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from sitewright.local.aws_clients import Aws
from sitewright.local.errors import LocalError
from sitewright.local.machine.service_environment import operator_environment, tool_path
from sitewright.local.machine.stack_home import REPOSITORY_ROOT, Home
from sitewright.local.stack.cdk_deploy import REGION
from tools.bench.publish_speed.generated_site import built
from tools.bench.publish_speed.other_tools import Tools, tools
from tools.bench.publish_speed.put_rate import puts_per_second
from tools.bench.publish_speed.s3_endpoint import Endpoint, endpoint
from tools.bench.publish_speed.scenarios import ONE_PAGE, ROLLBACKS, SCENARIOS, rewritten

Json = dict[str, Any]
OURS, AWS, S5CMD = "sitewright", "aws s3 sync", "s5cmd sync"
TOOLS = (OURS, AWS, S5CMD)
_OURS = "tools.bench.publish_speed.publish_process"
_TIMED = Path(__file__).with_name("timed_process.py")
_ARTIFACTS, _RAW = "bench-artifacts", "bench-raw"
_SECONDS = ("seconds", "cpu", "warm", "back", "check")
_TICK = 1.1
"""Seconds: S3 tells times to the second, and both tools leave out a file that is not newer than its object."""


def run(home: Home, sizes: Mapping[int, int], later_ms: int = 0) -> Json:
    """Medians by size (files), scenario and tool; `sizes` says how many rounds. Raises LocalError."""
    programs = tools(home)
    found: Json = {"tools": programs.versions(), "sizes": {}}
    for files, rounds in sizes.items():
        site = built(home, files)
        rows: Json = {scenario.name: {tool: [] for tool in TOOLS} for scenario in SCENARIOS}
        rows |= {name: {OURS: []} for pair in ROLLBACKS.items() for name in pair}
        ceilings, loads = [], list[float]()
        for number in range(rounds):
            print(f"  {files} files, round {number + 1}/{rounds}", file=sys.stderr, flush=True)
            with endpoint(Home(home.root / "own" / "publishing"), later_ms) as s3:
                ceilings.append(_prepare(s3))
                _copied(site.dist, home.root / "bench-dist")
                _round(s3, programs, home.root / "bench-dist", rows, number)
                loads.append(os.getloadavg()[0])
        medians = {name: {tool: summary(taken) for tool, taken in by.items()} for name, by in rows.items()}
        found["sizes"][str(files)] = {
            "rounds": rounds,
            "later_ms": later_ms,
            "at": time.strftime("%d %B %Y", time.gmtime()),
            "cpus": os.cpu_count(),
            "load": [round(min(loads), 1), round(max(loads), 1)],
            "built_in": site.seconds,
            "ceiling": round(median(ceilings)),
            "scenarios": medians,
            "rows": rows,
        }
    return found


def _prepare(s3: Endpoint) -> float:
    """New buckets; gives the endpoint's PUTs a second."""
    client: Any = Aws(s3.url, REGION).s3  # typed with a list of regions
    for bucket in (_ARTIFACTS, _RAW, *map(_bucket, TOOLS)):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return puts_per_second(s3.port, _RAW)


def _copied(built_dist: Path, dist: Path) -> None:
    shutil.rmtree(dist, ignore_errors=True)
    shutil.copytree(built_dist, dist)


def _round(s3: Endpoint, programs: Tools, dist: Path, rows: Json, number: int) -> None:
    """All scenarios once, and the ways back; the folder is gone afterwards."""
    client: Any = Aws(s3.url, REGION).s3
    names: dict[str, set[str]] = {}

    def measured(scenario: str, tool: str, *more: str) -> None:
        s3.taken()
        row = _measured([*_argv(tool, programs, s3.url, dist), *more], _environment(s3.url))
        rows[scenario][tool].append({**row, **s3.taken()})

    def checked(scenario: str, tool: str, files: set[str]) -> None:
        rows[scenario][tool][-1]["check"] = _check(client, files, tool)

    def back_and_forth(rollback: str, to: str, now: str) -> None:
        measured(rollback, OURS, rows[to][OURS][-1]["id"])
        checked(rollback, OURS, names[to])
        rewritten(dist)
        measured(ROLLBACKS[rollback], OURS)
        checked(ROLLBACKS[rollback], OURS, names[now])

    over_one, over_all = ROLLBACKS
    before = ""
    try:
        for position, scenario in enumerate(SCENARIOS):
            scenario.change(dist)
            first = (number + position) % len(TOOLS)
            for tool in (*TOOLS[first:], *TOOLS[:first]):
                time.sleep(_TICK)
                rewritten(dist)
                measured(scenario.name, tool)
            names[scenario.name] = {path.relative_to(dist).as_posix() for path in dist.rglob("*") if path.is_file()}
            for tool in reversed(TOOLS):  # ours last, by a client that is warm, as a Lambda's mostly is
                checked(scenario.name, tool, names[scenario.name])
            if scenario.name == ONE_PAGE:
                back_and_forth(over_one, before, ONE_PAGE)
            before = scenario.name
        back_and_forth(over_all, SCENARIOS[0].name, before)
    finally:
        shutil.rmtree(dist, ignore_errors=True)


def _bucket(tool: str) -> str:
    return f"bench-{tool.split(maxsplit=1)[0]}"


def _argv(tool: str, programs: Tools, url: str, dist: Path) -> list[str]:
    target = _bucket(tool)
    if tool == OURS:
        return [sys.executable, "-m", _OURS, str(dist), target, _ARTIFACTS, "bench"]
    if tool == AWS:
        options = ["--endpoint-url", url, "s3", "sync", "--only-show-errors", "--delete"]
        return [str(programs.aws), *options, str(dist), f"s3://{target}"]
    return [
        str(programs.s5cmd),
        "--endpoint-url",
        url,
        "--log",
        "error",
        "sync",
        "--delete",
        f"{dist}/",
        f"s3://{target}/",
    ]


def _environment(url: str) -> dict[str, str]:
    path = os.pathsep.join([*tool_path(), os.environ.get("PATH", os.defpath)])
    code = os.pathsep.join(map(str, (REPOSITORY_ROOT, REPOSITORY_ROOT / "container")))
    return {**operator_environment(url, REGION), "PATH": path, "PYTHONPATH": code, "HOME": os.devnull}


def _measured(argv: list[str], env: Mapping[str, str]) -> Json:
    timed = [sys.executable, "-I", "-S", str(_TIMED), *argv]
    done = subprocess.run(timed, env=dict(env), cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalError(f"`{' '.join(argv)}` ended with {done.returncode}: {done.stderr[-500:]}", "Run it by hand.")
    row: Json = json.loads(done.stdout)
    return {**row, **json.loads(done.stderr.splitlines()[-1])} if _OURS in argv else row


def _check(client: Any, local: set[str], tool: str) -> float:
    """A tool that left something out did not take less time. Ours keeps assets that went out of use.

    Gives how long the listing took, which is what `record_sync` does after each publish.
    """
    began = time.monotonic()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=_bucket(tool))
    there = {item["Key"] for page in pages for item in page.get("Contents", [])}
    seconds = time.monotonic() - began
    kept = {key for key in there - local if tool == OURS and key.startswith("_astro/")}
    if there - kept != local:
        raise LocalError(f"{tool} left another tree than the build's.", "Nothing was measured; run it again.")
    return seconds


def summary(rows: list[Json]) -> Json:
    """Medians of one tool in one scenario; requests and bytes of the last round, the highest memory."""
    return {
        "requests": rows[-1]["requests"],
        "bytes": rows[-1]["bytes"],
        **{name: round(median(row[name] for row in rows), 3) for name in _SECONDS if name in rows[0]},
        "rss": max(row["rss"] for row in rows),
    }
