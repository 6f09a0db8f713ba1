"""The parts of `deploy/compose.yaml` by themselves, where there is no Docker: does what it says fit together?

    python benchmarks/deploy.py artefact/ --milvus http://127.0.0.1:19530

The service is started by the command and the environment of the compose file, beside a PostgreSQL of its own (see
`benchmarks/postgres.py`), the Milvus at the address given, and Prometheus with `deploy/prometheus.yaml` (Debian's
packages `postgresql` and `prometheus`). Names of containers become addresses of this machine; nothing else is changed.
Questions, events and mistakes come in for `--seconds`; then Prometheus is asked every expression of the dashboard. The
last line is one JSON object; exit code 1 if the target is down or an expression has no answer.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from postgres import temporary_postgres

DEPLOY = Path(__file__).parents[1] / "deploy"
WEB, PROMETHEUS = 8000, 9090


def asked(url: str, body: Any = None, key: str = "", method: str | None = None) -> tuple[int, Any]:
    """The status and the answer."""
    data = None if body is None else json.dumps(body).encode()
    head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, head, method=method), timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


@contextmanager
def running(words: list[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    """A program for the length of the block."""
    with log.open("w") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, env={**os.environ, **(environment or {})})
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def until(what: str, holds: Any, seconds: float = 120) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)


def load(web: str, key: str, seconds: float) -> dict[int, int]:
    """Questions of known users and strangers, events, and mistakes; how many answers of each status."""
    statuses: dict[int, int] = {}
    status, first = asked(f"{web}/v1/recommend", {"users": ["a-stranger"], "k": 50}, key)
    if status != 200:
        raise SystemExit(f"the first question was answered by {status}")
    items = [item["item_id"] for item in first["answers"][0]["items"]]
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        item, turn = items[turn % len(items)], turn + 1
        for path, body, by in (
            ("recommend", {"users": [f"user-{turn}"]}, key),
            ("recommend", {"history": [[item]]}, key),
            ("similar", {"items": [item]}, key),
            ("search", {"text": ["dress"]}, key),
            ("events", {"user_id": f"user-{turn}", "item_id": item}, key),
            ("recommend", {"users": 5}, key),
            ("recommend", {"users": ["a"]}, "no key"),
        ):
            status, _ = asked(f"{web}/v1/{path}", body, by)
            statuses[status] = statuses.get(status, 0) + 1
        time.sleep(0.05)
    return statuses


def changed(web: str, key: str) -> dict[str, Any]:
    """What became of an item that came, of a filter, and of a user who asked to be forgotten."""
    asked(f"{web}/v1/items/new-1", {"title": "A zirconium pot", "price": 7.0}, key, "PUT")
    time.sleep(1)  # whichever worker answers
    _, found = asked(f"{web}/v1/search", {"text": ["zirconium"], "k": 1}, key)
    _, cheap = asked(f"{web}/v1/recommend", {"users": ["a-stranger"], "where": "price < 8", "k": 5}, key)
    gone, _ = asked(f"{web}/v1/items/new-1", key=key, method="DELETE")
    _, erased = asked(f"{web}/v1/users/user-1", key=key, method="DELETE")
    _, after = asked(f"{web}/v1/recommend", {"users": ["user-1"]}, key)
    return {
        "new item found": found["answers"][0]["items"][0]["item_id"] == "new-1",
        "filter": [item["item_id"] for item in cheap["answers"][0]["items"]],
        "item removed": gone == 204,
        "erased": erased,
        "popular after": after["answers"][0]["popular"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact", type=Path)
    parser.add_argument("--milvus", required=True, help="the address of a server, e.g. http://127.0.0.1:19530")
    parser.add_argument("--seconds", type=float, default=45)
    given = parser.parse_args()
    if shutil.which("prometheus") is None:
        raise SystemExit("Prometheus is not installed: apt-get install prometheus")
    web = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["web"]
    board = json.loads((DEPLOY / "grafana/dashboards/mmreco.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    key, here = secrets.token_hex(16), f"http://127.0.0.1:{WEB}"
    with tempfile.TemporaryDirectory() as folder, temporary_postgres() as postgres:
        at = Path(folder)
        store = postgres.create("shop")
        put = {"POSTGRES_PASSWORD": postgres.password, "MMRECO_KEYS": f"shop ask,write,erase {key}"}
        environment = {
            name: re.sub(r"\$\{(\w+)[^}]*\}", lambda match: put[match[1]], value).replace(
                "@postgres:5432/", f"@127.0.0.1:{postgres.port}/"
            )
            for name, value in web["environment"].items()
        }
        assert environment["MMRECO_EVENTS"] == store
        swapped = {"/artefact": str(given.artefact), "http://milvus:19530": given.milvus}
        words = ["mmreco", *(swapped.get(word, word) for word in web["command"])]
        (at / "key").write_text(key)
        settings = (DEPLOY / "prometheus.yaml").read_text(encoding="utf-8")
        settings = settings.replace("/run/secrets/metrics_key", str(at / "key")).replace("web:8000", f"127.0.0.1:{WEB}")
        (at / "prometheus.yaml").write_text(settings)
        watch = ["prometheus", f"--config.file={at}/prometheus.yaml", f"--storage.tsdb.path={at}/data"]
        watch += [f"--web.listen-address=127.0.0.1:{PROMETHEUS}"]
        watching = f"http://127.0.0.1:{PROMETHEUS}/api/v1"
        begun = time.monotonic()
        with running(words, at / "web.log", environment), running(watch, at / "prometheus.log"):
            try:
                until(
                    "the service", lambda: all(asked(f"{here}/readyz")[0] == 200 for _ in range(20)), 180
                )  # each worker
                ready = time.monotonic() - begun
                until("Prometheus", lambda: asked(f"{watching}/targets")[0] == 200)
                statuses = load(here, key, given.seconds)
                changes = changed(here, key)
            except SystemExit:
                print((at / "web.log").read_text()[-3_000:], file=sys.stderr)
                raise
            targets = asked(f"{watching}/targets")[1]["data"]["activeTargets"]
            answers = {}
            for expression in expressions:
                query = urllib.parse.urlencode({"query": expression})
                _, answer = asked(f"{watching}/query?{query}")
                values = [one["value"][1] for one in answer["data"]["result"]] if answer else []
                answers[expression] = [value for value in values if value != "NaN"]
    for expression, values in answers.items():
        print(f"{'none' if not values else ' '.join(value[:8] for value in values):60.60} {expression}")
    up = [target["health"] for target in targets]
    empty = [expression for expression, values in answers.items() if not values]
    said = {"target": up, "expressions": len(expressions), "without an answer": empty, "statuses": statuses, **changes}
    print(json.dumps({**said, "seconds to ready": round(ready, 1)}))
    return int(up != ["up"] or bool(empty))


if __name__ == "__main__":
    sys.exit(main())
