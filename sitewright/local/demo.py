"""`make demo`: up, one message, and proof that it did what it should."""

import re
import signal
import subprocess
import sys
import time

import httpx

from sitewright.local.errors import LocalError
from sitewright.local.stack.stack_control import StackOptions, home_of, up
from sitewright.local.stack_client import DECISION_STATES, StackClient

INSTRUCTION = "Add a new heading to the homepage"
SESSION = "demo"
"""The same at every demo: a new session would start from the default branch and add the very heading that is live already."""
WAIT_SECONDS = 300


def _page(url: str) -> str:
    answer = httpx.get(url, trust_env=False, timeout=10)
    return answer.text if answer.status_code == httpx.codes.OK else ""


def _git(folder: str, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main() -> int:
    """Exit code 0 only if the site changed over HTTP and the git remote has the commit."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated `up` stops what it started
    began = time.monotonic()
    print("Starting the local stack (nothing leaves this machine)")
    try:
        info = up(home_of(), StackOptions(runtime="process"), lambda text: print(f"  {text}", flush=True))
    except LocalError as error:
        print(f"{error.message} {error.remedy}\n{getattr(error, 'tail', '')}", file=sys.stderr)
        return 1
    print(f"  up after {time.monotonic() - began:.0f} s")
    client = StackClient(info)
    site = info["sites"][0]
    before = _page(site["site_url"])
    sent = client.send(INSTRUCTION, site["client_id"], SESSION)
    print(f"Sent to {site['client_id']}: “{INSTRUCTION}”")
    for name, seconds in client.follow(client.execution_arn(sent), WAIT_SECONDS):
        if name not in DECISION_STATES:
            print(f"  {name:<20} {seconds:6.1f} s", flush=True)
    answer = client.response(sent, 60)
    print(f"Response: {answer['status']}, {answer['durationMs'] / 1000:.1f} s: {answer['summary']}")
    if answer["error"]:
        print(f"  {answer['error']['message']}\n  {answer['error']['remedy']}")
    after = _page(site["site_url"])
    branch = f"thread-{sent.chat_thread_id}"
    head = _git(site["git_dir"], "rev-parse", branch)
    added = re.findall(
        r"^\+.*<h\d[^>]*>(.*?)</h\d>", _git(site["git_dir"], "show", str(answer["commit"])), re.MULTILINE
    )
    changed = after != before and bool(added) and all(heading in after for heading in added)
    pushed = bool(head) and head == answer["commit"]
    print(f"  {'✓' if changed else '✗'} the site changed: {site['site_url']}")
    print(f"  {'✓' if pushed else '✗'} the git remote has the commit {str(answer['commit'])[:10]} on {branch}")
    if not (answer["success"] and changed and pushed):
        print("The demo failed: see .local/log/", file=sys.stderr)
        return 1
    print("It goes on running. The next message:")
    print(f'  .venv/bin/sitewright send --session {sent.session_id} "Change the accent colour to teal" --wait')
    print("Stop it with `make down`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
