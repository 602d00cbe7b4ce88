"""The log: one JSON object a line on stdout, with the ids of session, command and step."""

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

from sitewright.contracts.secrets.secret_shapes import masked

MAX_TEXT = 8_000
"""The limit of a field, in characters. CloudWatch limits an event to 256 KiB, and a build's line can be a whole
bundle."""


class Log:
    """A callable: `log("message", key=value)`. Neither hidden secrets nor what looks like one appear in it."""

    def __init__(self, stream: TextIO | None = None, **bound: Any) -> None:
        self._stream = stream
        self._bound = bound
        self._secrets: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Writes one line. Levels: info, progress (for a human), warning, error."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        event = {"time": time, "level": level, "message": message, **self._bound, **fields}
        line = json.dumps(self._clean(event), ensure_ascii=False, default=str)
        stream = self._stream or sys.stdout
        with self._lock:
            stream.write(line + "\n")
            stream.flush()

    def bind(self, **bound: Any) -> "Log":
        """Returns the log with other ids. Both logs hide the same secrets."""
        log = Log(self._stream, **bound)
        log._secrets, log._lock = self._secrets, self._lock
        return log

    def progress(self, line: str) -> None:
        """Writes a line for a person about the work under way."""
        self(line, level="progress")

    def hide(self, secret: str) -> None:
        """Replaces the text by *** from now on. Does not hide texts below 6 characters, which occur in other words."""
        if len(secret) >= 6 and secret not in self._secrets:
            self._secrets.append(secret)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "***")
            text = masked(value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…")
            return text.encode("utf-8", "replace").decode()
        if isinstance(value, dict):
            return {k: self._clean(v) for k, v in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean(v) for v in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self._clean(str(value))
