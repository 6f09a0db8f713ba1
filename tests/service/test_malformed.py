"""500 requests drawn from the service's own description and broken in one place: refused, and nothing else happens."""

import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import mmreco

METHODS = ("get", "post", "put", "delete", "patch", "head", "options")
ADDRESSES = (
    "http://169.254.169.254/latest",
    "file:///etc/passwd",
    "//127.0.0.1:1",
    "../../../etc/passwd",
    "jdbc:x://y",
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.sampled_from(ADDRESSES),
    st.just("x" * 5000), st.just(10**400),
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_watched: list[tuple[str, str]] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None:
        return
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system"):
        _watched.append((event, repr(arguments)))
    if event == "open" and isinstance(arguments[0], (str, bytes, Path)):
        _watched.append((event, str(arguments[0])))


sys.addaudithook(_watch)  # none can be taken away again: it looks only while a request is at work


@pytest.fixture
def watched() -> Iterator[list[tuple[str, str]]]:
    """What the process opened, connected to or started while requests were at work."""
    global _watched
    _watched = []
    yield _watched
    _watched = None


def operations(description: dict[str, Any]) -> list[tuple[str, str, list[Any]]]:
    """Method, path and examples of a body, for everything the service does."""
    schemas, found = description["components"]["schemas"], []
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            schema = content.get("schema", {})
            names = [one["$ref"].rpartition("/")[2] for one in [schema, *schema.get("anyOf", [])] if "$ref" in one]
            found.append((method, path, [body for name in names for body in schemas[name].get("examples", [])]))
    return found


@st.composite
def broken(draw: st.DrawFn, examples: list[Any]) -> bytes:
    """An example with one thing in it that does not belong there, or anything at all."""
    if not examples or draw(st.booleans()):
        return draw(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
    body = json.loads(json.dumps(draw(st.sampled_from(examples))))
    match draw(st.sampled_from(["value", "more", "less", "cut"])):
        case "value":
            body[draw(st.sampled_from(sorted(body)))] = draw(JSON)
        case "more":
            body[draw(st.text(min_size=1, max_size=8))] = draw(JSON)
        case "less":
            del body[draw(st.sampled_from(sorted(body)))]
        case _:
            text = json.dumps(body).encode()
            return text[: draw(st.integers(0, len(text)))]
    return json.dumps(body).encode()


def test_500_requests(client: TestClient, tmp_path: Path, watched: list[tuple[str, str]]) -> None:
    every = operations(client.get("/openapi.json").json())
    assert len(every) >= 12
    statuses: list[int] = []

    @settings(max_examples=500, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        method, path, examples = data.draw(st.sampled_from([one for one in every if one[1] != "/v1/refit"]))
        if data.draw(st.integers(0, 9)) == 0:
            method = data.draw(st.sampled_from(METHODS))
        where = data.draw(st.text(max_size=20) | st.sampled_from(ADDRESSES))
        for name in ("item_id", "user_id", "name", "path", "key"):
            path = path.replace(f"{{{name}}}", quote(where, safe="/")).replace(f"{{{name}:path}}", quote(where))
        kind = data.draw(st.sampled_from(["application/json"] * 8 + ["text/plain", "multipart/form-data; boundary=x"]))
        query = {data.draw(st.text(max_size=8)): data.draw(st.text(max_size=20) | st.sampled_from(ADDRESSES))}
        content = data.draw(broken(examples))
        answer = client.request(method, path, content=content, params=query, headers={"Content-Type": kind})
        statuses.append(answer.status_code)
        assert answer.status_code < 500, (method, path, content, answer.text)
        if answer.status_code >= 400 and method != "head":
            assert answer.headers["content-type"] == "application/problem+json"

    ask()
    assert len(statuses) >= 500
    assert sum(status >= 400 for status in statuses) > 250
    own = (str(tmp_path), sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"],
           str(Path(mmreco.__file__).parents[1]), "/dev/urandom", "/dev/null", "<")  # fmt: skip
    outside = [one for one in watched if not (one[0] == "open" and one[1].startswith(own))]
    assert outside == []
