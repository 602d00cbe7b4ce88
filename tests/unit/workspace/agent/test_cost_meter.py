"""The cost of Claude Code, read from its transcript during the run."""

import json
from pathlib import Path

from workspace.agent.cost_meter import CostMeter
from workspace.repository.transcript_files import transcripts_folder


def line(used: object, kind: str = "budget_usd") -> str:
    return json.dumps({"type": "attachment", "attachment": {"type": kind, "used": used, "total": 2}}) + "\n"


def transcript(home: Path, name: str = "a") -> Path:
    path = transcripts_folder(home) / "-site" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def append(path: Path, what: str) -> None:
    with path.open("a") as file:
        file.write(what)


def test_only_lines_written_after_the_meters_creation_count(tmp_path: Path) -> None:
    path = transcript(tmp_path)
    append(path, line(1.5))
    meter = CostMeter(tmp_path)
    assert meter.read() == 0.0
    append(path, line(0) + '{"type":"assistant"}\n' + line(0.25))
    assert meter.read() == 0.25 and meter.read() == 0.25
    append(transcript(tmp_path, "b"), line(0.5))
    assert meter.read() == 0.5


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path, whole = transcript(tmp_path), line(0.75)
    meter = CostMeter(tmp_path)
    append(path, whole[:40])
    assert meter.read() == 0.0
    append(path, whole[40:])
    assert meter.read() == 0.75


def test_other_lines_are_ignored(tmp_path: Path) -> None:
    path = transcript(tmp_path)
    meter = CostMeter(tmp_path)
    append(path, line(9.0, kind="other") + line("much") + line(float("inf")) + line(None))
    append(path, '"budget_usd"\n["budget_usd"]\n{"attachment": "budget_usd"}\n{"budget_usd"\n')
    (tmp_path / "elsewhere").write_text(line(9.0))
    transcript(tmp_path, "link").symlink_to(tmp_path / "elsewhere")
    assert meter.read() == 0.0
