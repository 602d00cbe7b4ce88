"""The attacker asks the model proxy for more than Claude Code does, with tokens given as arguments. Prints JSON."""

import json
import sys
import urllib.error
import urllib.request
from typing import Any

URL, *TOKENS = sys.argv[1:]
ASK = {"model": "claude-sonnet-4-5", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}


def status(method: str, path: str, token: str | None) -> Any:
    """The HTTP status, or the words of the error."""
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    if token is not None:
        headers["x-api-key"] = token
    body = json.dumps(ASK).encode() if method == "POST" else None
    request = urllib.request.Request(URL.rstrip("/") + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return str(error)


found = {}
for number, token in enumerate([None, "wrong", *TOKENS]):
    name = {0: "none", 1: "wrong"}.get(number, f"given {number - 1}")
    found[name] = {
        "messages": status("POST", "/v1/messages", token),
        "models": status("GET", "/v1/models", token),
        "files": status("POST", "/v1/files", token),
        "batches": status("POST", "/v1/messages/batches", token),
        "elsewhere": status("POST", "/v1/../_faults", token),
    }
json.dump(found, sys.stdout)
