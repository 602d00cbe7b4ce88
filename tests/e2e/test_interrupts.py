"""A newer command interrupts the running one at any stage, and nothing is lost."""

from pathlib import Path

from tests.support.e2e.open_session import OpenSession
from tests.support.e2e.stack_driver import Sent, Site, Stack, descendants, until
from tests.support.e2e.words import fresh

WIP = "WIP: Interrupted by new message"


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


def test_interrupt_during_the_agent(session: OpenSession) -> None:
    site, heading = session.site, fresh("After the storm")
    finished = "test -e notes/note-b.md || { mkdir -p notes; date > notes/note-a.md; sleep 5; date > notes/note-b.md; }"
    old = session.send(f"Run the command: `{finished}`")
    site.wait_state(old, "Agent")
    until("the agent has written something", lambda: _written(site, old), seconds=60)

    new = session.send(f'Add a new heading saying "{heading}" to the homepage')

    answer = assert_interrupted(site, old, new)
    done = site.stack.response(new)
    assert done["success"] is True, done
    branch = f"thread-{old.thread}"
    subjects = site.subjects(branch)
    assert heading in subjects[0]
    assert subjects[1] == WIP
    assert done["covers"] == [old.command_id]
    assert "notes/note-b.md" in site.git("ls-tree", "-r", "--name-only", branch).splitlines(), (
        "the older wish is not done"
    )
    wip = site.git("rev-parse", f"{branch}~1")
    assert answer["commit"] == wip
    assert answer["pushed"] is True
    changed = site.git("show", "--name-only", "--format=", wip).splitlines()
    assert changed, "the WIP commit holds none of the agent's files"
    assert answer["filesChangedCount"] == len(changed)
    assert f"Command-Id: {old.command_id}" in site.git("log", "-1", "--format=%B", wip)
    assert heading in site.page()
    runners = [pid for pid, _ in site.stack.task_processes(old)]
    assert len(runners) <= 1, "the workspace stays, and it is the only one"
    left = [words for pid in runners for child in descendants(pid) if (words := _command_line(child))]
    assert len(left) <= 1 and all("workspace.agent" in words for words in left), "more than the waiting driver is left"


def _written(site: Site, sent: Sent) -> bool:
    """Tells whether the command's own workspace has a note. Workspaces of other tests leave theirs behind."""
    return any(list(root.glob("site/notes/note-*.md")) for root in site.stack.task_roots(sent))


def test_interrupt_during_the_build(session: OpenSession, stack: Stack) -> None:
    site, live_before = session.site, session.site.keys()
    old = session.send("Run the command: `touch slow`")
    site.wait_state(old, "Build")
    until("npm is building", lambda: any("build.mjs" in c for _, c in _family(stack, old)), seconds=60, every=0.02)

    new = session.send('Run the command: `rm slow && echo "<p>After the slow one</p></html>" >> src/pages/index.astro`')

    assert_interrupted(site, old, new)
    assert site.keys() == live_before, "an interrupted build changed something"
    done = stack.response(new)
    assert done["success"] is True, done
    assert "After the slow one" in site.page()
    assert "slow" in site.git("log", "--name-only", "--format=", session.branch).splitlines()
    old_commits = [subject for subject in session.subjects() if subject == WIP or "Run the command" in subject]
    assert old_commits, session.subjects()


def _family(stack: Stack, sent: Sent) -> list[tuple[int, str]]:
    found = []
    for pid, _ in stack.task_processes(sent):
        for child in descendants(pid):
            try:
                found.append((child, Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()))
            except OSError:
                continue
    return found


def test_interrupt_during_the_publish(session: OpenSession, stack: Stack) -> None:
    site, flood = session.site, fresh("flood").replace(" ", "-")
    before = set(site.keys())
    many = f"mkdir -p public/{flood} && for i in $(seq 1 1500); do echo $i > public/{flood}/$i.txt; done"
    old = session.send(f"Run the command: `{many}`")
    until("the publish is under way", lambda: site.has_more_than(20, f"{flood}/"), seconds=120, every=0.02)
    assert not stack.responses(old.session_id, old.command_id), "the publish was over too soon for this test"

    new = session.send(f"Run the command: `rm -r public/{flood}`")

    assert_interrupted(site, old, new)
    assert before <= set(site.keys())
    done = stack.response(new, seconds=180)
    assert done["success"] is True, done
    assert not [k for k in site.keys() if flood in k]
    log = site.git("log", "--name-only", "--format=", session.branch)
    assert f"public/{flood}/1500.txt" in log, "the interrupted command's files are in no commit"


def test_interrupt_during_the_push(session: OpenSession, stack: Stack) -> None:
    site, slow, at_once = session.site, fresh("Slow to be pushed"), fresh("Pushed at once")
    with site.hook("pre-receive", f"if grep -q . && [ ! -e {site.bare}/go ]; then sleep 6; fi\n"):
        old = session.send(f'Add a new heading saying "{slow}" to the homepage')
        site.wait_state(old, "Push")
        until("git push is running", lambda: any("push" in c for _, c in _family(stack, old)), seconds=60)
        new = session.send(f'Add a new heading saying "{at_once}" to the homepage')
        assert_interrupted(site, old, new)
        (site.bare / "go").touch()
        try:
            done = stack.response(new)
        finally:
            (site.bare / "go").unlink()

    assert done["success"] is True, done
    subjects = session.subjects()
    assert any(slow in subject for subject in subjects)
    assert at_once in subjects[0]
    assert at_once in site.page()


def test_a_burst_of_messages(site: Site, stack: Stack) -> None:
    first = site.send('Add a paragraph "burst 0" to the homepage')
    thread = {"session": first.session_id, "thread": first.thread}
    burst = [first] + [site.send(f'Add a paragraph "burst {n}" to the homepage', **thread) for n in range(1, 6)]

    last = stack.response(burst[-1], seconds=180)

    assert last["success"] is True, last
    ids = {sent.command_id for sent in burst}
    for sent in burst[:-1]:
        answer = stack.response(sent)
        assert answer["status"] in {"interrupted", "succeeded"}, answer
        assert answer["status"] == "succeeded" or answer["supersededBy"] in ids - {sent.command_id}
        assert answer["error"] is None or answer["error"]["remedy"]
    # The first message of the session never found a workspace. It is answered like the others.
    assert len(stack.responses(first.session_id)) == len(burst)
    assert all(f"burst {number}" in site.page() for number in range(6)), "a wish is not done"
    assert set(last["covers"]) <= ids - {burst[-1].command_id}


def test_an_operator_stops_the_run(site: Site, stack: Stack) -> None:
    sent = site.send("Write 40 notes slowly, one every 0.5 seconds")
    site.wait_state(sent, "Agent")
    until("the agent works", lambda: _written(site, sent))

    stack.client("stepfunctions").stop_execution(executionArn=site.execution_arn(sent), cause="enough")

    answer = stack.response(sent)
    assert answer["status"] == "interrupted"
    assert answer["error"]["code"] == "run_stopped"
    assert answer["supersededBy"] is None
