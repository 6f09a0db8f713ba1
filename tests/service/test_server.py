"""The service as it is run: `mmreco serve` in processes of its own, over a real connection."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from typer.testing import CliRunner

from mmreco.cli import app
from mmreco.datasets.synthetic import SyntheticShop
from mmreco.service.events import EventStore

JSON = {"Content-Type": "application/json"}


class Server:
    """A running `mmreco serve`."""

    def __init__(self, artefact: Path, url: str, *options: str) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        words = [sys.executable, "-m", "mmreco", "serve", str(artefact), "--port", str(self.port), *options]
        self.errors = tempfile.NamedTemporaryFile("w")  # noqa: SIM115  # as long as the server
        self.process = subprocess.Popen(words, env={**os.environ, "MMRECO_EVENTS": url}, stderr=self.errors)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), JSON)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def status(self, method: str, path: str, body: object = None) -> int:
        """0 where nobody answers."""
        try:
            return self.ask(method, path, body)[0]
        except OSError:
            return 0

    def said(self) -> str:
        """What it said on the standard error so far."""
        return Path(self.errors.name).read_text(encoding="utf-8")

    def end(self) -> str:
        """What it said on the standard error, once it was told to end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        said = self.said()
        self.errors.close()
        return said


@contextmanager
def running(artefact: Path, url: str, *options: str) -> Iterator[Server]:
    with started(Server(artefact, url, *options)) as (server,):
        yield server


@contextmanager
def started(*servers: Server) -> Iterator[tuple[Server, ...]]:
    """Servers that are ready, ended with the block."""
    try:
        for one in servers:
            until(lambda one=one: one.process.poll() is not None or one.status("GET", "/readyz") == 200, 120)
            assert one.process.poll() is None, one.said()
        yield servers
    finally:
        for one in servers:
            if one.process.poll() is None:
                one.end()
            one.errors.close()


def until(done: Callable[[], bool], seconds: float) -> float:
    """How many seconds it took."""
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < seconds, f"not within {seconds} seconds"
        time.sleep(0.02)
    return time.monotonic() - start


def test_two_processes_on_one_store_see_each_other(plant: SyntheticShop, artefact: Path, url: str) -> None:
    item = plant.catalogue.items.ids([7])[0]
    asked = {"users": ["somebody-new"], "k": 3}
    with started(Server(artefact, url), Server(artefact, url)) as (one, two):
        assert two.ask("POST", "/v1/recommend", asked)[1]["answers"][0]["popular"]
        one.ask("POST", "/v1/events", {"user_id": "somebody-new", "item_id": item})
        took = until(lambda: not two.ask("POST", "/v1/recommend", asked)[1]["answers"][0]["popular"], 10)
        one.ask("PUT", "/v1/items/fresh", {"title": "Zirconium teapot"})
        words = {"text": ["zirconium teapot"], "k": 1}

        def found() -> bool:
            answer = two.ask("POST", "/v1/search", words)[1]["answers"][0]["items"]
            return [item["item_id"] for item in answer] == ["fresh"]

        took = max(took, until(found, 10))
        two.ask("DELETE", "/v1/items/fresh")
        until(lambda: one.ask("POST", "/v1/search", words)[1]["answers"][0]["items"][:1] != ["fresh"], 10)
        assert took < 1 or os.getloadavg()[0] > 2, "within a second, where the machine is not busy with other things"
    with running(artefact, url) as again:
        assert not again.ask("POST", "/v1/recommend", asked)[1]["answers"][0]["popular"]


def test_a_worker_that_dies_is_replaced(plant: SyntheticShop, artefact: Path, sqlite_url: str) -> None:
    item = plant.catalogue.items.ids([7])[0]
    with running(artefact, sqlite_url, "--workers", "2") as server:
        until(lambda: len(workers(server)) == 2, 120)
        gone = workers(server)[0]
        os.kill(gone, signal.SIGKILL)
        until(lambda: len(workers(server)) == 2 and gone not in workers(server), 120)
        accepted: list[int] = []

        def twenty() -> bool:
            body = {"user_id": "a", "item_id": item, "timestamp": len(accepted)}
            accepted.append(server.status("POST", "/v1/events", body))  # 503 by the new one until it has loaded
            return accepted.count(200) >= 20

        until(twenty, 120)
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/metrics")
        counted = connection.getresponse().read().decode()
        assert f"mmreco_events_total {float(accepted.count(200))}" in counted, "of both workers together"
        there = [line for line in counted.splitlines() if line.startswith("mmreco_store_up")]
        assert there == ["mmreco_store_up 1.0"], "of the one that was asked, and none beside it"
        connection.close()
        until(lambda: server.status("GET", "/readyz") == 200, 60)
        server.end()
    assert server.process.returncode in (0, -signal.SIGTERM)


def workers(server: Server) -> list[int]:
    """The process ids of those that answer; the parent has a helper of multiprocessing's too."""
    there = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    found = []
    for pid in there:
        try:
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
        except OSError:
            continue
    return found


def test_requests_at_work_are_finished(plant: SyntheticShop, artefact: Path, url: str) -> None:
    """SIGTERM while four clients write: what was begun is answered whole, and all that was acknowledged is there."""
    items, acknowledged, broken = plant.catalogue.items.ids(range(20)), [], []

    def write(client: int) -> None:
        for number in range(100_000):
            events = [{"user_id": f"{client}", "item_id": item, "timestamp": number} for item in items]
            try:
                status, answer = server.ask("POST", "/v1/events", {"events": events})
            except (ConnectionError, http.client.RemoteDisconnected):
                return  # nobody takes requests any more
            except (OSError, ValueError, http.client.HTTPException) as error:
                broken.append(error)
                return
            if status == 200:
                acknowledged.append(answer["sequence"])

    with running(artefact, url) as server:
        clients = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        until(lambda: len(acknowledged) >= 8, 60)
        said = server.end()
        for client in clients:
            client.join()
    assert not broken
    assert "Traceback" not in said
    store = EventStore.open(url)
    assert store.newest() == max(acknowledged)
    assert store.newest() == len(items) * len(acknowledged), "none is there that was not acknowledged"
    store.close()


def test_a_database_that_is_away(plant: SyntheticShop, artefact: Path, postgres: Postgres) -> None:
    event = {"user_id": "a", "item_id": plant.catalogue.items.ids([7])[0]}
    with running(artefact, postgres.create("away")) as server:
        assert server.status("POST", "/v1/events", event) == 200
        postgres.stop()
        try:
            status, problem = server.ask("POST", "/v1/events", event)
            assert (status, problem["title"]) == (503, "Service Unavailable")
            assert "nothing was taken in" in problem["detail"]
            assert server.status("GET", "/readyz") == 503
            assert server.status("GET", "/healthz") == server.status("GET", "/openapi.json") == 200
            assert server.status("POST", "/v1/recommend", {"users": ["a"]}) == 200, "questions need no store"
        finally:
            postgres.start()
        until(lambda: server.status("GET", "/readyz") == 200, 30)
        status, taken = server.ask("POST", "/v1/events", event)
        assert (status, taken["sequence"]) == (200, 2)
        until(lambda: "the event store is back" in server.said(), 30)


def test_a_service_waits_for_its_database(artefact: Path, postgres: Postgres) -> None:
    url = postgres.create("later")
    postgres.stop()
    server = Server(artefact, url)
    try:
        until(lambda: server.status("GET", "/healthz") == 200, 60)
        assert server.status("GET", "/readyz") == 503
        postgres.start()
        until(lambda: server.status("GET", "/readyz") == 200, 60)
    finally:
        if not server.status("GET", "/readyz"):
            postgres.start()
        assert "not ready" in server.end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = shutil.which("mount") and os.geteuid() == 0
    if not made or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False).returncode:
        pytest.skip("a file system of a limited size can be mounted by root alone")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full(plant: SyntheticShop, artefact: Path, small_disk: Path) -> None:
    event = {"user_id": "a", "item_id": plant.catalogue.items.ids([7])[0]}
    with running(artefact, f"sqlite:///{small_disk / 'events.db'}") as server:
        assert server.status("POST", "/v1/events", event) == 200
        with pytest.raises(OSError, match="space"):
            (small_disk / "other").write_bytes(b"x" * (4 << 20))
        statuses = [server.status("POST", "/v1/events", event) for _ in range(30)]
        assert set(statuses) <= {200, 503}
        assert statuses[-1] == 503
        assert server.status("POST", "/v1/recommend", {"users": ["a"]}) == 200
        (small_disk / "other").unlink()
        status, taken = server.ask("POST", "/v1/events", event)
        assert (status, taken["sequence"]) == (200, 2 + statuses.count(200))


def test_what_cannot_be_served_is_said_at_once(artefact: Path, tmp_path: Path) -> None:
    (artefact / "g-000001" / "catalogue.parquet").write_bytes(b"x")
    here = str(tmp_path / "events.db")
    for folder, url in ((artefact, here), (tmp_path / "nothing", here), (artefact, "nosuch://host/db")):
        done = CliRunner().invoke(app, ["serve", str(folder), "--events", url])
        assert done.exit_code == 2
        assert "mmreco: " in done.output
