"""`make demo`: starts the stack, sends one message, and checks that the site and the git remote changed."""

import re
import signal
import subprocess
import sys
import time
from typing import Any

import httpx

from sitewright.local.errors import LocalError
from sitewright.local.machine.stack_home import Home
from sitewright.local.stack.services import running
from sitewright.local.stack.stack_control import StackOptions, down, home_of, up
from sitewright.local.stack.stack_owner import disown, owned_stacks
from sitewright.local.stack_client import DECISION_STATES, StackClient

Json = dict[str, Any]
INSTRUCTION = "Add a new heading to the homepage"
SESSION = "demo"
"""The same at every demo: a new session would start from the default branch and add the very heading that is live already."""
WAIT_SECONDS = 300


def main() -> int:
    """Exit code 0 only if the site changed over HTTP and the git remote has the commit."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated demo stops the stack it started
    home = home_of()
    fresh = not running(home, "emulator")
    try:
        with owned_stacks():
            ok = _demo(home)
    except LocalError as error:
        print(f"{error.message} {error.remedy}\n{getattr(error, 'tail', '')}", file=sys.stderr)
        return 1
    except TimeoutError as error:
        print(f"The demo failed: {error}. The stack is stopped; its logs are in {home.log}.", file=sys.stderr)
        down(home, _report)
        return 1
    except KeyboardInterrupt:
        if fresh:
            print("Interrupted: stopping the stack", file=sys.stderr)
            down(home, _report)
        return 130
    disown(home)
    if not ok:
        print(f"The demo failed: see {home.log}", file=sys.stderr)
        return 1
    print("It goes on running. The next message:")
    print(f'  .venv/bin/sitewright send --session {SESSION} "Change the accent colour to teal" --wait')
    print("Stop it with `make down`.")
    return 0


def _demo(home: Home) -> bool:
    began = time.monotonic()
    print("Starting the local stack (nothing leaves this machine)", flush=True)
    info = up(home, StackOptions(runtime="process"), _report)
    print(f"  up after {time.monotonic() - began:.0f} s", flush=True)
    client, site = StackClient(info), info["sites"][0]
    before = _page(site["site_url"])
    sent = client.send(INSTRUCTION, site["client_id"], SESSION)
    print(f"Sent to {site['client_id']}: “{INSTRUCTION}”", flush=True)
    for name, seconds in client.follow(client.execution_arn(sent), WAIT_SECONDS):
        if name not in DECISION_STATES:
            print(f"  {name:<20} {seconds:6.1f} s", flush=True)
    response = client.response(sent, 60)
    print(f"Response: {response['status']}, {response['durationMs'] / 1000:.1f} s: {response['summary']}")
    if response["error"]:
        print(f"  {response['error']['message']}\n  {response['error']['remedy']}")
    return _changed(site, before, response, f"thread-{sent.chat_thread_id}")


def _changed(site: Json, before: str, response: Json, branch: str) -> bool:
    """Prints and returns whether the response, the live site and the git remote agree."""
    after, commit = _page(site["site_url"]), str(response["commit"])
    added = re.findall(r"^\+.*<h\d[^>]*>(.*?)</h\d>", _git(site["git_dir"], "show", commit), re.MULTILINE)
    changed = after != before and bool(added) and all(heading in after for heading in added)
    head = _git(site["git_dir"], "rev-parse", branch)
    pushed = bool(head) and head == commit
    print(f"  {'✓' if changed else '✗'} the site changed: {site['site_url']}")
    print(f"  {'✓' if pushed else '✗'} the git remote has the commit {commit[:10]} on {branch}")
    return bool(response["success"] and changed and pushed)


def _page(url: str) -> str:
    response = httpx.get(url, trust_env=False, timeout=10)
    return response.text if response.status_code == httpx.codes.OK else ""


def _git(folder: str, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _report(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
