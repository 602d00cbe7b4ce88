"""The CloudFront Function that maps a folder to its index document, run in Node."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

INDEX_DOCUMENTS = Path(__file__).parents[3] / "stacks/site/index_documents.js"
_RUNNER = """
const vm = require('vm'), fs = require('fs');
const source = fs.readFileSync(process.argv[1], 'utf8');
const lines = require('readline').createInterface({input: process.stdin});
lines.on('line', event => {
  const context = vm.createContext({event: JSON.parse(event)});
  vm.runInContext(source, context);
  console.log(JSON.stringify(vm.runInContext('handler(event)', context)));
});
"""

Edge = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def at_the_edge() -> Iterator[Edge]:
    """Returns the CloudFront Function's answer to a request. Each has a context of its own, in one Node."""
    node = shutil.which("node", path=str(Path(sys.executable).parent))
    assert node, "`make setup` installs node beside Python"
    argv = [node, "-e", _RUNNER, str(INDEX_DOCUMENTS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        questions, answers = running.stdin, running.stdout
        assert questions is not None and answers is not None

        def ask(uri: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
            request = {"method": "GET", "uri": uri, "querystring": query or {}, "headers": {}}
            questions.write(json.dumps({"version": "1.0", "request": request}) + "\n")
            questions.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield ask
        questions.close()


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("/", "/index.html"),
        ("/hello/", "/hello/index.html"),
        ("/v1.2/", "/v1.2/index.html"),
        ("/_astro/a.B1_c2.css", "/_astro/a.B1_c2.css"),
        ("/song.mp3", "/song.mp3"),
        ("/a.7z", "/a.7z"),
        ("/page.html", "/page.html"),
        ("/.well-known/apple-app-site-association", "/.well-known/apple-app-site-association"),
    ],
)
def test_the_requests_to_the_origin(at_the_edge: Edge, uri: str, key: str) -> None:
    answer = at_the_edge(uri, {"a": {"value": "1"}})
    assert answer["uri"] == key
    assert answer["querystring"] == {"a": {"value": "1"}}


@pytest.mark.parametrize(
    ("uri", "query", "location"),
    [
        ("/hello", None, "/hello/"),
        ("/v1.2", None, "/v1.2/"),
        ("/a%20b/%C3%BC", None, "/a%20b/%C3%BC/"),
        ("/x.well-known/y", None, "/x.well-known/y/"),
        ("/hello", {"a": {"value": "1%202"}, "flag": {"value": ""}}, "/hello/?a=1%202&flag"),
        ("/hello", {"a": {"value": "2", "multiValue": [{"value": "1"}, {"value": "2"}]}}, "/hello/?a=1&a=2"),
        # The redirect must not lead to another host.
        ("//evil.example/x", None, "/evil.example/x/"),
        ("/\\evil.example/x", None, "/evil.example/x/"),
    ],
)
def test_a_folder_without_a_slash_is_redirected(
    at_the_edge: Edge, uri: str, query: dict[str, Any] | None, location: str
) -> None:
    answer = at_the_edge(uri, query)
    assert answer["statusCode"] == 302
    assert answer["headers"]["location"]["value"] == location


def test_the_function_is_within_cloudfronts_limit() -> None:
    assert len(INDEX_DOCUMENTS.read_bytes()) <= 10 * 1024
