"""A service is killed (SIGKILL) at random moments while clients send events: what it acknowledged must be there.

One life: a server process opens the event store and the artefact and listens; four clients post events over HTTP, one
after another, and note each that is acknowledged; the server is killed at a random moment. Every twenty lives a server
is let live, and asked: each acknowledged event is in the store, once and in order, and in what it answers with.

Run: `python benchmarks/service_kills.py --kills 1000 --store sqlite`. The last line is one JSON object.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from postgres import temporary_postgres

from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop

CLIENTS, LIVES, ITEMS = 4, 20, 120
LONGEST = 0.5  # seconds from the first answer to the kill
PLANT = f"""
import sys
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.models import EASE
from mmreco.recommender import Recommender
plant = synthetic_shop(n_items={ITEMS}, n_users=150, seed=3)
Recommender.fit(plant.dataset, model=EASE(), image=[]).save(sys.argv[1])
"""


def child(work: Callable[[], None]) -> int:
    """The process id of a fork that does this and ends."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    finally:
        os._exit(0)


def serve(artefact: Path, url: str, port: int) -> None:
    """A server, until it is killed."""
    shop = LiveShop(artefact, EventStore.open(url))
    uvicorn.run(create_app(shop), host="127.0.0.1", port=port, log_level="critical")


def write(port: int, client: str, items: list[str], acknowledged: int) -> None:
    """Post events until nobody answers; each that was acknowledged is a line in the pipe."""
    rng, connection, number = random.Random(client), None, 0
    while True:
        some = [(client, rng.choice(items), number + place) for place in range(rng.choice([1, 1, 3]))]
        body = json.dumps({"events": [{"user_id": u, "item_id": i, "timestamp": at} for u, i, at in some]})
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:  # not acknowledged
                continue
            os.write(acknowledged, f"{client} {number + len(some)}\n".encode())
        except OSError:
            if number:
                return
            connection = None
            time.sleep(0.005)  # it has not begun to listen
            continue
        except http.client.HTTPException:
            return
        number += len(some)


def live(artefact: Path, url: str, port: int, name: str, items: list[str], seconds: float) -> dict[str, int]:
    """One life and its end; how many events of each client were acknowledged."""
    readable, writable = os.pipe()
    server = child(lambda: serve(artefact, url, port))
    clients = [child(lambda c=c: write(port, f"{name}-{c}", items, writable)) for c in range(CLIENTS)]  # type: ignore[misc]
    os.close(writable)
    with os.fdopen(readable, encoding="utf-8") as lines:
        first = lines.readline()
        time.sleep(seconds)
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        acknowledged = dict(line.split() for line in [first, *lines] if line.strip())
    for pid in clients:
        os.waitpid(pid, 0)
    return {client: int(number) for client, number in acknowledged.items()}


def lost(artefact: Path, url: str, acknowledged: dict[str, int]) -> int:
    """How many acknowledged events are not there, are there twice or out of order, or are not answered with."""
    store = EventStore.open(url)
    there: dict[str, list[int]] = {}
    entries, last = [], 0
    while page := store.after(last):
        entries += page
        last = page[-1].sequence
    for entry in entries:
        there.setdefault(str(entry.user_id), []).append(int(entry.time or 0))
    missing = sum(max(0, number - len(there.get(client, []))) for client, number in acknowledged.items())
    twisted = sum(times != list(range(len(times))) for times in there.values())
    gaps = [entry.sequence for entry in entries] != list(range(1, len(entries) + 1))
    log = LiveShop(artefact, store).serving.recommender.dataset.interactions
    unread = 0
    for client, row in zip(there, log.users.rows(list(there), missing="mark").tolist(), strict=True):
        unread += row < 0 or len(log.history(row)) != len(there[client])
    store.close()
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, events, missing, done, start = random.Random(options.seed), 0, 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, stores(options.store, Path(folder)) as store_at:
        artefact = Path(folder) / "artefact"
        subprocess.run([sys.executable, "-c", PLANT, str(artefact)], check=True, stdout=subprocess.DEVNULL)
        from mmreco.recommender import Recommender

        items = Recommender.load(artefact).catalogue.items.ids(range(ITEMS))
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        while done < options.kills:
            url, acknowledged = store_at(done), {}
            EventStore.open(url).close()
            for life in range(min(LIVES, options.kills - done)):
                acknowledged |= live(artefact, url, port, f"{done}-{life}", items, rng.uniform(0, LONGEST))
            done += min(LIVES, options.kills - done)
            events += sum(acknowledged.values())
            missing += lost(artefact, url, acknowledged)
            print(f"{done} kills, {events} events acknowledged, {missing} lost", file=sys.stderr, flush=True)
    seconds = round(time.monotonic() - start, 1)
    print(
        json.dumps({"store": options.store, "kills": done, "acknowledged": events, "lost": missing, "seconds": seconds})
    )
    sys.exit(missing > 0)


if __name__ == "__main__":
    main()
