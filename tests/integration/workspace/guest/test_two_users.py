"""The guest attacks the runner, and what it leaves behind is gone: with the image's entry point and two users."""

from collections.abc import Iterator

import pytest

from tests.support.workspace.two_users import SECRET, TwoUsers, two_users, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "")

NO_CAPABILITY = "0000000000000000"


@pytest.fixture
def world() -> Iterator[TwoUsers]:
    with two_users() as world:
        yield world


def test_the_runner_is_pid_1_without_root_and_keeps_five_capabilities(world: TwoUsers) -> None:
    said = world.runner("answer(pid=os.getpid(), uid=os.getuid(), status=Path('/proc/self/status').read_text())")
    assert (said["pid"], said["uid"]) == (1, 1001)
    fields = dict(line.split(":\t", 1) for line in said["status"].splitlines())
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[kind], 16) == 0b11100011, "CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID"
    assert fields["NoNewPrivs"] == "1"


def test_the_guest_has_no_capability_no_way_to_one_and_limits(world: TwoUsers) -> None:
    said = world.runner("answer(tail=run('cat /proc/self/status /proc/self/limits').tail)")
    fields = dict(line.split(":\t", 1) for line in said["tail"].splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {str(world.uid)}
    assert fields["Groups"].strip() == ""
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert fields[kind] == NO_CAPABILITY
    assert fields["NoNewPrivs"] == "1"
    limits = {line[:26].strip(): line[26:].split() for line in said["tail"].splitlines() if line.startswith("Max ")}
    assert limits["Max processes"][:2] == ["2000", "2000"]
    assert limits["Max file size"][:2] == [str(2 * 2**30)] * 2
    assert limits["Max core file size"][:2] == ["0", "0"]


def test_a_child_of_the_runners_own_has_no_capability(world: TwoUsers) -> None:
    code = """
done = processes.run_bounded(["cat", "/proc/self/status"], cwd=root, env=ENV, timeout=10)
answer(status=done.stdout.decode())
"""
    fields = dict(line.split(":\t", 1) for line in world.runner(code)["status"].splitlines())
    assert fields["Uid"].split()[0] == "1001"
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapAmb"] == NO_CAPABILITY


def test_the_guest_reads_nothing_of_the_runner(world: TwoUsers) -> None:
    script = """
cd /proc
for one in 1/environ 1/mem 1/maps 1/auxv $PPID/environ; do head -c 200000 $one && echo READ $one; done
ls 1/fd 1/cwd/ && echo READ fd
ls /proc/1/root/ && echo READ root
cat ROOT/private/key && echo READ key
ls ROOT/private && echo READ private
touch ROOT/planted && echo WROTE
""".replace("ROOT", str(world.root))
    said = world.runner(f"answer(tail=run({script!r}).tail, mine=Path('/proc/1/status').read_text()[:9])")
    assert "READ" not in said["tail"] and "WROTE" not in said["tail"] and SECRET not in said["tail"]
    assert said["tail"].count("ermission denied") >= 8, said["tail"]


def test_the_guest_cannot_attach_to_the_runner(world: TwoUsers) -> None:
    attack = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for call in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
    print(libc.ptrace(call, 1, 0, 0), os.strerror(ctypes.get_errno()))
class V(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
buffer = ctypes.create_string_buffer(8)
mine, theirs = V(ctypes.addressof(buffer), 8), V(id(attack) if "attack" in globals() else 4096, 8)
print(libc.process_vm_readv(1, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0), os.strerror(ctypes.get_errno()))
"""
    code = f"""
(site / "attack.py").write_text({attack!r})
answer(tail=run("/usr/bin/python3 attack.py").tail)
"""
    assert world.runner(code)["tail"].splitlines() == ["-1 Operation not permitted"] * 3


def test_a_guest_that_kills_everything_kills_only_itself(world: TwoUsers) -> None:
    code = """
done = run("kill -9 1; kill -TERM 1; kill -9 $PPID; kill -9 -1")
answer(returncode=done.returncode, alive=alive(), stop=bool(stop.reasons))
"""
    said = world.runner(code)
    assert not said["alive"] and not said["stop"]
    # `kill -1` spares the shell that calls it, so the next one kills that shell too.
    code = """
done = run("(kill -9 -1); sleep 30")
answer(returncode=done.returncode, seconds=done.seconds, cause=done.cause)
"""
    said = world.runner(code)
    assert said["returncode"] == -9 and said["seconds"] < 10
    assert "kill" in said["cause"]


@pytest.mark.parametrize(
    "daemon",
    [
        "setsid sleep 300 > /dev/null 2>&1 &",
        "nohup sleep 300 > /dev/null 2>&1 &",
        "trap '' HUP INT TERM; (setsid sh -c 'trap \"\" HUP INT TERM; while :; do sleep 1; done' &) > /dev/null 2>&1",
        """/usr/bin/python3 -c 'import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.closerange(0, 3)
time.sleep(300)'""",
    ],
    ids=["setsid", "nohup", "ignores-signals", "double-fork"],
)
def test_no_daemon_survives_its_step(world: TwoUsers, daemon: str) -> None:
    code = f"""
done = run({daemon!r} + "\\nsleep 0.3")
left = alive()
zombies = [pid for pid, p in child_register.process_table().items() if p.state == "Z"]
answer(returncode=done.returncode, alive=left, zombies=zombies)
"""
    said = world.runner(code)
    assert said["alive"] == said["zombies"] == []


def test_a_daemon_of_an_earlier_step_is_not_spared(world: TwoUsers) -> None:
    code = """
child = processes.start(["sh", "-c", "setsid sleep 300 & sleep 0.2"], guest=guest, env=ENV, cwd=site)
child.wait()
processes.forget(child)
before = alive()
killed = guest.end_all(log)
answer(before=len(before), killed=killed, alive=alive())
"""
    assert world.runner(code) == {"before": 1, "killed": 1, "alive": []}


def test_a_fork_bomb_below_the_limit_loses(world: TwoUsers) -> None:
    bomb = "bomb() { bomb | bomb & }; trap '' INT TERM; bomb; while :; do bomb; sleep 0.01; done"
    code = f"""
guests.PROCESSES = 300
started = time.monotonic()
try:
    run({bomb!r}, timeout=1.5)
except TimeoutError:
    pass
answer(alive=alive(), seconds=time.monotonic() - started, after=run("echo fine").tail)
"""
    said = world.runner(code)
    assert said["alive"] == [] and said["after"] == "fine"
    assert said["seconds"] < 20


def test_a_stop_interrupts_the_group_politely_first(world: TwoUsers) -> None:
    script = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.05; done"
    code = f"""
from workspace.errors import StepStopped, StopReason
lines = []
def heard(line):
    lines.append(line)
    stop.add(StopReason.INTERRUPT)
try:
    run({script!r}, on_line=heard)
except StepStopped as stopped:
    answer(reason=stopped.reason, lines=lines, alive=alive())
"""
    assert world.runner(code) == {"reason": "interrupt", "lines": ["ready", "interrupted"], "alive": []}


def test_a_sparse_giant_file_is_refused_to_the_guest(world: TwoUsers) -> None:
    said = world.runner("run('truncate -s 5G big'); answer(size=(site / 'big').stat().st_size)")
    assert said["size"] == 0


def test_the_guests_environment_is_exactly_what_it_is_given(world: TwoUsers) -> None:
    said = world.runner('answer(tail=run(\'tr "\\\\0" "\\\\n" < /proc/self/environ\').tail)')
    names = {line.partition("=")[0] for line in said["tail"].splitlines()}
    assert names <= {"PATH", "HOME", "PWD", "OLDPWD", "_", "SHLVL"}


def test_the_runner_removes_what_the_guest_made_unremovable(world: TwoUsers) -> None:
    script = """
mkdir -p a/b c; touch a/b/file c/sticky; chmod 000 a/b/file a/b a; chmod 1755 c
chmod 1777 .; touch "$(printf 'new\\nline')" -- -rf
/usr/bin/python3 -c 'import os
for _ in range(1500):
    os.mkdir("d"); os.chdir("d")'
ln -s / everything; mkfifo fifo; chmod 000 .
"""
    code = f"run({script!r}); guest.remove(site); answer(left=os.path.lexists(site), etc=Path('/etc/passwd').exists())"
    assert world.runner(code) == {"left": False, "etc": True}


def test_an_early_program_is_out_of_the_guests_reach_until_its_request(world: TwoUsers) -> None:
    program = "import os, sys; from workspace.guest.become_guest import become_guest; asked = sys.stdin.read(); "
    program += "become_guest(os.environ); print(asked, open('/proc/self/status').read())"
    code = f"""
early = PrestartedProcess(log, guest)
env = {{**ENV, "PYTHONPATH": {str(__file__).split("/tests/")[0] + "/container"!r}}}
wanted = Program(("/usr/bin/python3", "-c", {program!r}), root, env)
early.start(wanted)
pid = early._child.pid
time.sleep(0.5)
tail = run(f"kill -9 {{pid}}; cat /proc/{{pid}}/environ || echo refused").tail
guest.end_all(log)
children = ProcessChildren(stop, log, ladder, guest=guest, prestarted=early)
done = children.run(wanted.argv, cwd=wanted.cwd, env=wanted.env, timeout=10, stdin="request")
same = early._child is None and not any("could not" in entry[0] for entry in logs)
answer(tail=tail, status=done.tail, returncode=done.returncode, same=same)
"""
    said = world.runner(code)
    assert "refused" in said["tail"] and said["returncode"] == 0 and said["same"]
    fields = dict(line.split(":\t", 1) for line in said["status"].splitlines() if ":\t" in line)
    assert said["status"].startswith("request")
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {str(world.uid)}
    assert fields["CapPrm"] == fields["CapEff"] == fields["CapInh"] == fields["CapAmb"] == NO_CAPABILITY
    assert fields["Groups"].strip() == ""


EARLY = """
early = PrestartedProcess(log, guest)
wanted = Program(("/usr/bin/python3", "-c", PROGRAM), root, {**ENV, "PYTHONPATH": FOLDER})
early.start(wanted)
pid = early._child.pid
time.sleep(0.5)
children = ProcessChildren(stop, log, ladder, guest=guest, prestarted=early)
ended = []
def work():
    done = children.run(wanted.argv, cwd=wanted.cwd, env=wanted.env, timeout=20, stdin="request")
    ended.append([done.returncode, done.tail])
thread = threading.Thread(target=work)
"""


def early(program: str) -> str:
    """Starts a program early. `thread` gives it its request."""
    imports = "import os, sys, time; from workspace.guest.become_guest import become_guest\n"
    values = {"PROGRAM": imports + program, "FOLDER": str(__file__).split("/tests/")[0] + "/container"}
    return "".join(f"{name} = {value!r}\n" for name, value in values.items()) + EARLY


def test_while_a_credential_is_in_use_no_early_program_gets_its_request(world: TwoUsers) -> None:
    code = """
with guest.absent(log):
    thread.start()
    time.sleep(0.5)
    during = [list(ended), alive(), Path(f"/proc/{pid}/status").exists()]
thread.join()
answer(during=during, ended=ended)
"""
    said = world.runner(early("asked = sys.stdin.read(); become_guest(os.environ); print(asked, os.getuid())") + code)
    assert said["during"] == [[], [], True]
    assert said["ended"] == [[0, f"request {world.uid}"]]


def test_an_early_program_that_has_its_request_ends_before_a_credential_is_used(world: TwoUsers) -> None:
    code = """
thread.start()
time.sleep(0.5)
before = alive()
with guest.absent(log) as killed:
    time.sleep(2.0)
    during = alive()
thread.join()
answer(before=before, killed=killed, during=during, returncode=ended[0][0])
"""
    said = world.runner(early("sys.stdin.read(); time.sleep(1.8); become_guest(os.environ); time.sleep(60)") + code)
    assert said == {"before": [], "killed": 1, "during": [], "returncode": -9}


def test_while_a_credential_is_in_use_no_program_of_the_guest_starts(world: TwoUsers) -> None:
    code = """
started = []
def start():
    started.append(run("echo there").tail)
with guest.absent(log):
    thread = threading.Thread(target=start)
    thread.start()
    time.sleep(0.5)
    during = [list(started), alive()]
    try:
        run("true")
    except RuntimeError as error:
        own = str(error)
thread.join()
answer(during=during, after=started, own=own)
"""
    said = world.runner(code)
    assert said["during"] == [[], []] and said["after"] == ["there"]
    assert "has to be absent" in said["own"]


def test_ended_orphans_are_reaped_while_a_child_still_runs(world: TwoUsers) -> None:
    script = "for i in 1 2 3 4 5; do (setsid true &) ; done; sleep 0.5; echo ready; sleep 30"
    code = f"""
child = processes.start(["sh", "-c", {script!r}], guest=guest, env=ENV, cwd=site, stdout=subprocess.PIPE)
child.stdout.readline()
reaped = child_register.reap_orphans()
zombies = [pid for pid, p in child_register.process_table().items() if p.state == "Z"]
guest.end_all(log)
answer(reaped=reaped, zombies=zombies, returncode=child.wait())
"""
    assert world.runner(code) == {"reaped": 5, "zombies": [], "returncode": -9}


def test_a_short_command_ends_by_itself_and_a_hanging_one_is_killed(world: TwoUsers) -> None:
    code = """
done = {}
def command(seconds):
    ended = processes.run_bounded(["sleep", seconds], cwd=site, env=ENV, timeout=20, guest=guest)
    done[seconds] = ended.returncode
killed = []
for seconds in ("0.4", "15"):
    thread = threading.Thread(target=command, args=(seconds,))
    thread.start()
    time.sleep(0.2)
    killed.append(guest.end_all(log))
    thread.join()
answer(done=done, killed=killed)
"""
    assert world.runner(code) == {"done": {"0.4": 0, "15": -9}, "killed": [0, 1]}


@pytest.mark.parametrize("removes", [False, True])
def test_a_guest_that_stops_every_process_of_its_own_user_does_not_stop_its_end(world: TwoUsers, removes: bool) -> None:
    """What ends and removes the guest's things runs as the guest too: SIGSTOP reaches it from any of its processes."""
    freeze = "import os, signal\nwhile True:\n  try: os.kill(-1, signal.SIGSTOP)\n  except OSError: pass\n"
    code = f"""
guests.REMOVE_SECONDS = guests.KILLER_SECONDS = 0.5
left, began = [], time.monotonic()
for _ in range(5):
    child = processes.start(["/usr/bin/python3", "-c", {freeze!r}], guest=guest, env=ENV, cwd=root)
    time.sleep(0.1)
    if {removes}:
        guest.folder(site)
        guest.remove(site)
        left += [1] if site.exists() else []
    guest.end_all(log)
    left += alive()
answer(left=left, seconds=time.monotonic() - began)
"""
    said = world.runner(code, timeout=30)
    assert said["left"] == [] and said["seconds"] < 20
