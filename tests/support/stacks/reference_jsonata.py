"""JSONata's reference implementation, in a Node process.

moto's interpreter of state machines has no JSONata of its own: LocalStack, from which it descends, runs a Java program, and
moto left that out (`moto/stepfunctions/parser/asl/jsonata/jsonata.py`, 5.2.5). This implementation is another one than
jsonata-python, which the emulator and `tests/support/stacks/asl.py` use.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from moto.stepfunctions.parser.asl.jsonata.jsonata import JSONataException

SERVER = Path(__file__).with_name("jsonata_server.js")
PACKAGE = Path(__file__).parents[3] / "tools/cdk/node_modules/jsonata"


class ReferenceJsonata:
    """The process. Its `evaluate` is what moto calls `eval_jsonata`."""

    def __enter__(self) -> Self:
        node = Path(sys.executable).parent / "node"
        self._process = subprocess.Popen(
            [str(node), str(SERVER), str(PACKAGE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        # Executions are threads: an answer belongs to the line before it.
        self._lock = threading.Lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def evaluate(self, expression: str) -> Any:
        """Returns an expression's value, None for undefined. Raises JSONataException, which moto makes the run's error."""
        assert self._process.stdin and self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(expression) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise JSONataException(answer["error"], answer["details"])
        return answer["value"]
