"""A newer command interrupts the running one at any stage, and nothing is lost."""

from pathlib import Path

import pytest

from tests.support.e2e.stack_driver import Sent, Site, Stack, descendants, until

WIP = "WIP: Interrupted by new message"
SLOW_PAGE = (
    'Run the command: `printf -- "---\\nawait new Promise((done) => setTimeout(done, 8000));\\n---\\n'
    '<!doctype html><html><body>slow</body></html>" > src/pages/zz-slow.astro`'
)


def newer(site: Site, old: Sent, instruction: str) -> Sent:
    return site.send(instruction, session=old.session_id, thread=old.thread)


def assert_interrupted(site: Site, old: Sent, new: Sent) -> dict[str, object]:
    answer = site.stack.response(old)
    assert answer["status"] == "interrupted", answer
    assert answer["success"] is False
    assert answer["supersededBy"] == new.command_id
    return answer


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def test_interrupt_during_the_agent(site: Site) -> None:
    old = site.send("Write 40 notes slowly, one every 0.5 seconds")
    site.wait_state(old, "Agent")
    until("the agent has written something", lambda: _written(site, old), seconds=60)

    new = newer(site, old, 'Add a new heading saying "After the storm" to the homepage')

    answer = assert_interrupted(site, old, new)
    done = site.stack.response(new)
    assert done["success"] is True, done
    branch = f"thread-{old.thread}"
    subjects = site.subjects(branch)
    assert "After the storm" in subjects[0]
    assert subjects[1] == WIP
    wip = site.git("rev-parse", f"{branch}~1")
    assert answer["commit"] == wip
    assert answer["pushed"] is True
    changed = site.git("show", "--name-only", "--format=", wip).splitlines()
    assert changed, "the WIP commit holds none of the agent's files"
    assert answer["filesChangedCount"] == len(changed)
    assert f"Command-Id: {old.command_id}" in site.git("log", "-1", "--format=%B", wip)
    assert "After the storm" in site.page()
    runners = [pid for pid, _ in site.stack.task_processes(old)]
    assert len(runners) <= 1, "the workspace stays, and it is the only one"
    left = [words for pid in runners for child in descendants(pid) if (words := _command_line(child))]
    assert len(left) <= 1 and all("workspace.agent" in words for words in left), "more than the waiting driver is left"


def _written(site: Site, sent: Sent) -> bool:
    """Tells whether the command's own workspace has a note. Workspaces of other tests leave theirs behind."""
    return any(list(root.glob("site/notes/note-*.md")) for root in site.stack.task_roots(sent))


def test_interrupt_during_the_build(astro_site: Site, stack: Stack) -> None:
    first, answer = astro_site.run('Add a new heading saying "Before the slow one" to the homepage')
    assert answer["success"], answer
    live_before = astro_site.keys()
    old = newer(astro_site, first, SLOW_PAGE)
    astro_site.wait_state(old, "Build")
    until("npm is building", lambda: any("astro" in c for _, c in _family(stack, old)), seconds=60)

    new = newer(astro_site, old, 'Add a new heading saying "After the slow one" to the homepage')

    assert_interrupted(astro_site, old, new)
    assert set(live_before) <= set(astro_site.keys()), "an interrupted build deleted something"
    for key in astro_site.keys():
        if key.endswith(".html"):
            assert astro_site.page("/" + key).rstrip().endswith("</html>"), key
    done = stack.response(new, seconds=180)
    assert done["success"] is True, done
    branch = f"thread-{old.thread}"
    assert "zz-slow.astro" in astro_site.git("ls-tree", "-r", "--name-only", branch)
    assert "After the slow one" in astro_site.page()
    old_commits = [s for s in astro_site.subjects(branch) if s == WIP or "Run the command" in s]
    assert old_commits, astro_site.subjects(branch)


def _family(stack: Stack, sent: Sent) -> list[tuple[int, str]]:
    found = []
    for pid, _ in stack.task_processes(sent):
        for child in descendants(pid):
            try:
                found.append((child, Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()))
            except OSError:
                continue
    return found


def test_interrupt_during_the_publish(site: Site, stack: Stack) -> None:
    first, answer = site.run('Add a new heading saying "Before the flood" to the homepage')
    assert answer["success"], answer
    before = set(site.keys())
    many = "mkdir -p public/flood && for i in $(seq 1 3000); do echo $i > public/flood/$i.txt; done"
    old = newer(site, first, f"Run the command: `{many}`")
    until("the publish is under way", lambda: site.has_more_than(20, "flood/"), seconds=120, every=0.02)
    assert not stack.responses(old.session_id, old.command_id), "the publish was over too soon for this test"

    new = newer(site, old, "Run the command: `rm -r public/flood`")

    assert_interrupted(site, old, new)
    assert before <= set(site.keys())
    done = stack.response(new, seconds=180)
    assert done["success"] is True, done
    assert not [k for k in site.keys() if "flood" in k]
    log = site.git("log", "--name-only", "--format=", f"thread-{old.thread}")
    assert "public/flood/3000.txt" in log, "the interrupted command's files are in no commit"


def test_interrupt_during_the_push(site: Site, stack: Stack) -> None:
    thread_marker = "Slow to be pushed"
    with site.hook("pre-receive", f"if grep -q . && [ ! -e {site.bare}/go ]; then sleep 6; fi\n"):
        old = site.send(f'Add a new heading saying "{thread_marker}" to the homepage')
        site.wait_state(old, "Push")
        until("git push is running", lambda: any("push" in c for _, c in _family(stack, old)), seconds=60)
        new = newer(site, old, 'Add a new heading saying "Pushed at once" to the homepage')
        assert_interrupted(site, old, new)
        (site.bare / "go").touch()
        try:
            done = stack.response(new)
        finally:
            (site.bare / "go").unlink()

    assert done["success"] is True, done
    subjects = site.subjects(f"thread-{old.thread}")
    assert any(thread_marker in s for s in subjects)
    assert "Pushed at once" in subjects[0]
    assert "Pushed at once" in site.page()


def test_two_messages_at_once_the_first_is_never_lost(site: Site, stack: Stack) -> None:
    old = site.send('Add a new heading saying "Never began" to the homepage')
    new = newer(site, old, 'Add a new heading saying "Went ahead" to the homepage')

    answer = assert_interrupted(site, old, new)

    assert answer["error"] is None or answer["error"]["remedy"]
    assert stack.response(new)["success"] is True
    assert len(stack.responses(old.session_id)) == 2


def test_a_burst_of_messages(site: Site, stack: Stack) -> None:
    first = site.send('Add a paragraph "burst 0" to the homepage')
    burst = [first] + [newer(site, first, f'Add a paragraph "burst {n}" to the homepage') for n in range(1, 6)]

    last = stack.response(burst[-1], seconds=180)

    assert last["success"] is True, last
    for sent in burst[:-1]:
        assert stack.response(sent)["status"] in {"interrupted", "succeeded"}
    assert len(stack.responses(first.session_id)) == len(burst)
    assert "burst 5" in site.page()


def test_an_operator_stops_the_run(site: Site, stack: Stack) -> None:
    sent = site.send("Write 40 notes slowly, one every 0.5 seconds")
    site.wait_state(sent, "Agent")
    until("the agent works", lambda: _written(site, sent))

    stack.client("stepfunctions").stop_execution(executionArn=site.execution_arn(sent), cause="enough")

    answer = stack.response(sent)
    assert answer["status"] == "interrupted"
    assert answer["error"]["code"] == "run_stopped"
    assert answer["supersededBy"] is None


@pytest.mark.parametrize("round_", ["A", "B"])
def test_sessions_do_not_interrupt_each_other_and_the_site_is_one_of_them(
    site: Site, stack: Stack, round_: str
) -> None:
    texts = [f"quiet {round_}", f"calm {round_}"]
    sent = [site.send(f'Add a paragraph "{text}" to the homepage') for text in texts]

    answers = [stack.response(one) for one in sent]

    assert all(answer["success"] and answer["deploySuccess"] for answer in answers), answers
    page, manifest = site.page(), site.manifest()
    [live] = [number for number, text in enumerate(texts) if text in page]
    assert manifest.commit == answers[live]["commit"]
    assert (manifest.complete, manifest.lease_owner) == (True, None)
    assert {key: entry.etag for key, entry in manifest.files.items()} == {
        key: etag.strip('"') for key, etag in site.keys().items()
    }
