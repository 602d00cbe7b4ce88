"""The attacker looks for the task's credentials: in every environment, at the addresses of AWS, on every open port.

Prints JSON. Without the secret path, which only the runner's environment names, no endpoint may answer with a key.
"""

import http.client
import json
import re
import sys
from pathlib import Path

NAMES = re.compile(rb"(?:AWS|ECS)_[A-Z0-9_]+")
PATHS = ("/", "/v2/credentials", "/v3/", "/v4/", "/credentials", "/credentials/", "/credentials/x", "/v2/metadata")
INSTANCE = "/latest/meta-data/iam/security-credentials/"
ENDPOINT = "/healthz"


def asked(host: str, port: int, path: str) -> tuple[int, str]:
    """Status and body, or 0 and the error."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(20_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def listening() -> list[int]:
    lines = [
        line.split() for file in ("tcp", "tcp6") for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]
    ]
    return sorted({int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A"})


def environments() -> set[str]:
    found = set()
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            found |= {name.decode() for name in NAMES.findall(file.read_bytes())}
        except OSError:
            continue
    return found


answers = {f"{host}{path}": asked(host, 80, path) for host, path in [("169.254.169.254", INSTANCE)]}
answers |= {f"169.254.170.2{path}": asked("169.254.170.2", 80, path) for path in PATHS}
ports = listening()
for port in ports:
    answers |= {f"{port}{path}": asked("127.0.0.1", port, path) for path in PATHS}
json.dump(
    {
        "names": sorted(environments()),
        "ports": ports,
        # The local stack has its endpoint on loopback. An attack that did not find it shows nothing.
        "endpoints": [port for port in ports if asked("127.0.0.1", port, ENDPOINT) == (200, "{}")],
        "given": [where for where, (_, said) in answers.items() if "SecretAccessKey" in said or "AccessKeyId" in said],
    },
    sys.stdout,
)
