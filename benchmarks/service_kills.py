"""A service is killed (SIGKILL) at random moments while clients send events: what it acknowledged must be there.

One life: a process opens the event store and the artefact, replays what the artefact has not, and listens; four clients
post events over HTTP, one after another, and note each that is acknowledged; the process is killed at a random moment
after the first. One life in ten is killed while it opens instead, and is not counted. The next life begins by looking:
each acknowledged event is in the store, once and in order, without a gap, and in what it answers with. Processes are
forked from one that has imported the application and asked it once, as a server that loads before it forks does; each
opens the store and loads the artefact by itself.

Run: `python benchmarks/service_kills.py --kills 1000 --store sqlite`. The last line is one JSON object.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from postgres import temporary_postgres

from mmreco.datasets.synthetic import synthetic_shop
from mmreco.models import EASE
from mmreco.recommender import Recommender
from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop

CLIENTS, LIVES, ITEMS = 4, 20, 120  # lives a store
LONGEST = 0.5  # seconds from the first acknowledged event to the kill
OPENING = 0.2  # seconds within which it is killed while it opens


@dataclass
class Clients:
    """Four who post events until the server is gone, and what each was told is written."""

    port: int
    name: str
    items: list[str]
    acknowledged: dict[str, int] = field(default_factory=dict)  # by client, how many of its events
    first: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._post, args=(f"{self.name}-{c}",)) for c in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> dict[str, int]:
        self.over.set()
        for thread in self._threads:
            thread.join()
        return self.acknowledged

    def _post(self, client: str) -> None:
        rng, number = random.Random(client), 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.over.is_set():
            try:
                connection.connect()
                break
            except OSError:
                time.sleep(0.005)  # it does not listen yet
        while not self.over.is_set():
            some = [(client, rng.choice(self.items), number + place) for place in range(rng.choice([1, 1, 3]))]
            body = json.dumps({"events": [{"user_id": u, "item_id": i, "timestamp": at} for u, i, at in some]})
            try:
                connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return  # nobody knows whether it was written
            if answer.status == 200:
                number += len(some)
                self.acknowledged[client] = number
                self.first.set()


def child(work: Callable[[], None]) -> int:
    """The process id of a fork that does this and ends."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


@dataclass
class Lives:
    """One store, and those who open it one after another."""

    artefact: Path
    url: str
    port: int
    items: list[str]
    acknowledged: dict[str, int] = field(default_factory=dict)

    def live(self, name: str, seconds: float) -> int:
        """One life until its kill; how much it found wrong of the lives before."""
        server, found = self._begin()
        clients = Clients(self.port, name, self.items)
        clients.start()
        wrong = found()
        if not clients.first.wait(30):
            raise RuntimeError(f"life {name}: no event was acknowledged within 30 seconds")
        time.sleep(seconds)
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        self.acknowledged |= clients.end()
        return wrong

    def stillborn(self, seconds: float) -> None:
        """A life that is killed while it opens."""
        server, _ = self._begin()
        time.sleep(seconds)
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)

    def look(self) -> int:
        """How much is wrong at the end."""
        server, found = self._begin(serving=False)
        wrong = found()
        os.waitpid(server, 0)
        return wrong

    def _begin(self, *, serving: bool = True) -> tuple[int, Callable[[], int]]:
        """A process that opens the store, and what reads how much it found wrong."""
        readable, writable = os.pipe()

        def work() -> None:
            shop = LiveShop(self.artefact, EventStore.open(self.url))
            os.write(writable, f"{lost(shop, self.acknowledged)}\n".encode())
            if serving:
                uvicorn.run(create_app(shop), host="127.0.0.1", port=self.port, log_level="critical")

        server = child(work)
        os.close(writable)
        lines = os.fdopen(readable, encoding="utf-8")

        def found() -> int:
            with lines:
                return int(lines.readline())

        return server, found


def lost(shop: LiveShop, acknowledged: dict[str, int]) -> int:
    """How many acknowledged events are not there, are there twice or out of order, or are not answered with."""
    entries = [entry for page in shop.store.pages(0) for entry in page]
    there: dict[str, list[int]] = {}
    for entry in entries:
        there.setdefault(str(entry.user_id), []).append(int(entry.time or 0))
    missing = sum(max(0, number - len(there.get(client, []))) for client, number in acknowledged.items())
    twisted = sum(times != list(range(len(times))) for times in there.values())
    gaps = [entry.sequence for entry in entries] != list(range(1, len(entries) + 1))
    log = shop.serving.recommender.histories(list(there))
    unread = sum(len(log.history(row)) != len(times) for row, times in enumerate(there.values()))
    return missing + twisted + gaps + unread


@contextmanager
def stores(kind: str, folder: Path) -> Iterator[Callable[[int], str]]:
    """What gives a new store's URL by number."""
    if kind == "sqlite":
        yield lambda number: f"sqlite:///{folder / f'events-{number}.db'}"
        return
    with temporary_postgres() as server:
        yield lambda number: server.create(f"events-{number}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, events, wrong, done, early = random.Random(options.seed), 0, 0, 0, 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, stores(options.store, Path(folder)) as store_at:
        artefact = Path(folder) / "artefact"
        plant = synthetic_shop(n_items=ITEMS, n_users=150, seed=3)
        Recommender.fit(plant.dataset, model=EASE(), image=[]).save(artefact)
        warm = EventStore.open(Path(folder) / "warm.db")
        create_app(LiveShop(artefact, warm)).openapi()  # what is made on first use is made before the first fork
        warm.close()
        items = plant.catalogue.items.ids(range(ITEMS))
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        while done < options.kills:
            lives = Lives(artefact, store_at(done), port, items)
            for _ in range(min(LIVES, options.kills - done)):
                if rng.random() < 0.1:
                    lives.stillborn(rng.uniform(0, OPENING))
                    early += 1
                wrong += lives.live(f"life-{done}", rng.uniform(0, LONGEST))
                done += 1
            wrong += lives.look()
            events += sum(lives.acknowledged.values())
            print(f"{done} kills, {events} events acknowledged, {wrong} wrong", file=sys.stderr, flush=True)
    result = {
        "store": options.store,
        "kills": done,
        "killed_while_opening": early,
        "acknowledged": events,
        "lost": wrong,
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(result))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
