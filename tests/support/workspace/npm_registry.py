"""An npm registry on loopback, with packages that a test makes."""

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.workspace.npm_lock import write_lock


@dataclass
class NpmRegistry:
    """Serves version 1.0.0 of each package."""

    url: str = ""
    packages: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def add(self, name: str, files: Mapping[str, str], **package: Any) -> None:
        """Adds a package with an index.js and these files; `package` goes into its package.json."""
        described = {"name": name, "version": "1.0.0", "main": "index.js", **package}
        content = {"index.js": f"module.exports = '{name}'", "package.json": json.dumps(described), **files}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for path, text in content.items():
                entry = tarfile.TarInfo(f"package/{path}")
                entry.size, entry.mode = len(text.encode()), 0o755
                tar.addfile(entry, io.BytesIO(text.encode()))
        self.packages[name] = packed.getvalue()

    def lock(self, site: Path) -> None:
        """Makes the site's .npmrc name this registry, and writes its lock file."""
        (site / ".npmrc").write_text(f"registry={self.url}\n")
        write_lock(site, self.manifest)

    def manifest(self, name: str) -> dict[str, Any]:
        """Returns what the registry tells of a package. Raises KeyError."""
        packed = self.packages[name]
        found: dict[str, Any] = json.loads(_member(packed, "package/package.json"))
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()
        found["dist"] = {"tarball": f"{self.url}{name}.tgz", "integrity": integrity}
        if any(script in found.get("scripts", {}) for script in ("preinstall", "install", "postinstall")):
            found["hasInstallScript"] = True
        return found

    def answer(self, path: str) -> bytes | None:
        self.requests.append(path)
        name = path.strip("/").removesuffix(".tgz")
        if name not in self.packages or path.endswith(".tgz"):
            return self.packages.get(name)
        versions = {"1.0.0": self.manifest(name)}
        return json.dumps({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": versions}).encode()


def _member(packed: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        found = tar.extractfile(name)
        assert found is not None
        return found.read()


@contextmanager
def npm_registry() -> Iterator[NpmRegistry]:
    registry = NpmRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = registry.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
