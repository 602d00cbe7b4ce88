"""The publish benchmark: what it counts, what it changes, what it says."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tools.bench.publish_speed.generated_site import posts
from tools.bench.publish_speed.measure_publishes import AWS, OURS, S5CMD, summary
from tools.bench.publish_speed.report_tables import aims, remarks, requests_text
from tools.bench.publish_speed.request_kinds import kind_of
from tools.bench.publish_speed.s3_endpoint import COUNTS, Counting
from tools.bench.publish_speed.scenarios import ROLLBACKS, SCENARIOS, rewritten
from tools.bench.publish_speed.update_page import place, replaced, section


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "kind"),
    [
        ("GET", "/b", "list-type=2", (), "LIST"),
        ("GET", "/b/", "", (), "LIST"),
        ("GET", "/b/a/b.html", "", (), "GET"),
        ("PUT", "/b/a", "", ("content-length",), "PUT"),
        ("PUT", "/b/a", "", ("x-amz-copy-source",), "COPY"),
        ("POST", "/b", "delete", (), "DELETE"),
        ("POST", "/b/a", "uploads", (), "POST"),
        ("DELETE", "/b/a", "", (), "DELETE"),
        ("HEAD", "/b/a", "", (), "HEAD"),
    ],
)
def test_requests_are_told_apart(method: str, path: str, query: str, headers: tuple[str, ...], kind: str) -> None:
    assert kind_of(method, path, query, headers) == kind


def test_the_endpoint_counts_requests_and_the_bytes_of_their_bodies_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    async def ask() -> list[Any]:
        counting, said = Counting(app, 0.001), list[Any]()
        parts = [{"body": b"abc", "more_body": True}, {"body": b"de", "more_body": False}]

        async def receive() -> Any:
            return parts.pop(0)

        async def send(message: Any) -> None:
            said.append(message)

        base = {"type": "http", "query_string": b"", "headers": []}
        await counting({**base, "method": "PUT", "path": "/b/k"}, receive, send)
        await counting({**base, "method": "GET", "path": COUNTS}, receive, send)
        await counting({**base, "method": "GET", "path": COUNTS}, receive, send)
        return [json.loads(message["body"]) for message in said if "body" in message]

    assert asyncio.run(ask()) == [{"requests": {"PUT": 1}, "bytes": 5}, {"requests": {}, "bytes": 0}]


def make_dist(root: Path) -> Path:
    (root / "_astro").mkdir()
    (root / "_astro" / "Layout.abc.css").write_text("a{color:red}")
    for name in ["", *(f"journal/post-{n}/" for n in range(1, 131))]:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "index.html").write_text(f'<link href="/_astro/Layout.abc.css"><h1>{name}</h1>')
    return root


def contents(dist: Path) -> dict[str, str]:
    return {p.relative_to(dist).as_posix(): p.read_text() for p in dist.rglob("*") if p.is_file()}


def test_each_scenario_changes_what_its_name_says(tmp_path: Path) -> None:
    dist, changed, gone, new = make_dist(tmp_path), [], [], []
    for scenario in SCENARIOS:
        before = contents(dist)
        scenario.change(dist)
        after = contents(dist)
        changed.append(sum(after[key] != before[key] for key in before.keys() & after.keys()))
        gone.append(len(before.keys() - after.keys()))
        new.append(len(after.keys() - before.keys()))

    assert changed == [0, 0, 1, 131, 0]
    assert gone == [0, 0, 0, 1, 100]
    assert new == [0, 0, 0, 1, 0]
    stylesheet = next(key for key in contents(dist) if key.endswith(".css"))
    assert all(stylesheet in text for key, text in contents(dist).items() if key.endswith(".html"))


def test_a_rebuild_gives_every_file_a_new_time(tmp_path: Path) -> None:
    dist = make_dist(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in dist.rglob("*") if path.is_file()}
    rewritten(dist)
    assert all(path.stat().st_mtime_ns > time for path, time in before.items())


def test_the_same_posts_are_written_every_time() -> None:
    assert list(posts(1, 3, ["a", "b", "c"])) == list(posts(1, 3, ["a", "b", "c"]))
    assert len({text for _, text in posts(1, 3, ["a", "b", "c"])}) == 3


SURROUNDINGS: dict[str, Any] = {"at": "1 May 2026", "cpus": 2, "load": [1.5, 2.5], "rounds": 3, "later_ms": 0}


def scenarios(seconds: float, requests: int, rss: int, warm: float = 0.1) -> dict[str, Any]:
    ours = {
        "requests": {"PUT": requests},
        "bytes": 1,
        "seconds": seconds,
        "cpu": 0.1,
        "warm": warm,
        "check": 0.1,
        "rss": rss,
    }
    theirs = {"requests": {"PUT": 2001}, "bytes": 1, "seconds": 2.0, "cpu": 0.1, "rss": 1}
    back = {name: {OURS: {**ours, "warm": warm * 1.5, "back": warm * 0.8}} for name in ROLLBACKS}
    forth = {name: {OURS: ours} for name in ROLLBACKS.values()}
    return {scenario.name: {OURS: ours, AWS: theirs, S5CMD: theirs} for scenario in SCENARIOS} | back | forth


def test_the_aims_are_met_only_within_their_limits() -> None:
    assert [met for _, met in aims(scenarios(2.0, 5, 199_999_999, warm=0.2))] == [True] * 4
    assert [met for _, met in aims(scenarios(2.1, 6, 200_000_000, warm=0.21))] == [False] * 4


def test_the_whole_process_is_told_beside_the_publish() -> None:
    _, page, first, _ = (text for text, _ in aims(scenarios(0.5, 5, 1, warm=0.1)))
    assert "0.050" in page and "0.250" in page
    assert "0.25 " in first and "0.05" in first


def test_it_says_when_the_endpoint_is_the_bottleneck() -> None:
    def told(ceiling: int) -> bool:
        size = {"scenarios": scenarios(0.2, 5, 1), "ceiling": ceiling, "built_in": 9.0, **SURROUNDINGS}
        return any("bottleneck" in line for line in remarks(size))

    assert told(1100)
    assert not told(2000)


def test_medians_and_the_highest_memory_count() -> None:
    rows = [{"requests": {"PUT": 1}, "bytes": 5, "seconds": s, "cpu": s, "rss": r} for s, r in ((1, 9), (5, 7), (2, 8))]
    found = summary(rows)
    assert (found["seconds"], found["rss"]) == (2, 9)
    assert requests_text({"PUT": 2001, "GET": 1, "HEAD": 0}) == "1 GET, 2,001 PUT"


def test_the_page_takes_a_measured_size_and_keeps_its_own_words() -> None:
    size = {"scenarios": scenarios(0.5, 5, 1), "ceiling": 2000, "built_in": 9.0, **SURROUNDINGS}
    page = "before\n<!-- measured: 7 -->\nold\n<!-- end -->\nbetween\n<!-- measured: 2001 -->\n<!-- end -->\nafter\n"
    found = replaced(page, place(2001, size), list(section(2001, size)))
    assert found.startswith("before\n<!-- measured: 7 -->\nold\n<!-- end -->\nbetween\n") and found.endswith("after\n")
    assert "## 2,001 files, medians of 3 rounds" in found and "load 1.5 to 2.5" in found
    assert "| first upload | sitewright | 5 PUT | 0.00 | 0.50 | 0.25 | 0.10 | 0.05 | 0.10 | 0 |" in found
    assert "| rolled back over all three | sitewright | 5 PUT | 0.00 | 0.50 |  | 0.15 |  | 0.10 | 0 |" in found
    for name, publish in ROLLBACKS.items():
        told = next(
            line for line in found.replace("\n  ", " ").splitlines() if line.startswith(f"- {name.capitalize()}:")
        )
        assert f"back after 0.08 s, 0.80 of the publish ({publish}: 0.10 s)" in told
        assert "after 0.15 s, 0.75 of that publish and the listing that RecordSync does after it (0.20 s)" in told
    assert replaced(found, "2001", list(section(2001, size))) == found
    with pytest.raises(ValueError, match="20001"):
        replaced(page, "20001", [])
    with pytest.raises(ValueError, match="2001, 25 ms"):
        replaced(page, place(2001, {**size, "later_ms": 25}), [])
