"""Files that block, or that are too many or too large: each is answered in time, and the next command works."""

import time

import pytest

from tests.support.image.attacker import Attacker

ANSWER_SECONDS = 150
"""Of which an unloaded machine takes a third."""

FLOODS = {
    "a pipe as package.json": (
        "git update-index --skip-worktree package.json; rm package.json; mkfifo package.json; date > public/now.txt"
    ),
    "a sparse file of 5 GB": "truncate -s 5G public/large.bin; date > public/now.txt",
    "a sparse transcript of 1 GB": (
        "for file in /workspace/home/.claude/projects/*/*.jsonl; do truncate -s 1G $file; done; date > public/now.txt"
    ),
    "a hundred thousand files": (
        "mkdir -p public/flood && cd public/flood && seq 1 100000 | xargs -n 5000 touch; cd ../..; date > public/now.txt"
    ),
    "a deep folder": (
        'python3 -c \'import os\nfor _ in range(3000): os.mkdir("deeper"); os.chdir("deeper")\'; date > public/now.txt'
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_is_answered_in_time_and_hurts_nobody_else(shell: Attacker, kind: str) -> None:
    began = time.monotonic()

    sent, answer = shell.tell(FLOODS[kind], seconds=ANSWER_SECONDS)

    assert time.monotonic() - began < ANSWER_SECONDS
    assert answer["status"] in {"succeeded", "failed"}, answer
    if answer["error"]:
        assert answer["error"]["code"] not in {"git_unavailable", "internal_error", "workspace_crashed"}, answer[
            "error"
        ]
        assert answer["error"]["remedy"]
    else:
        assert answer["success"] is True, answer
    # Neither the site nor another session of it is hurt.
    shell.edit_goes_live()


def test_a_flood_of_processes_ends_with_its_step(shell: Attacker) -> None:
    fork = "for n in $(seq 1 3000); do sleep 60 & done 2>/dev/null; date > public/now.txt"

    sent, answer = shell.tell(fork, seconds=ANSWER_SECONDS)

    assert answer["status"] in {"succeeded", "failed"}, answer
    container = shell.containers.container(sent)
    assert [process for process in shell.containers.processes(container) if "sleep 60" in process.command] == []
    shell.edit_goes_live(sent)
