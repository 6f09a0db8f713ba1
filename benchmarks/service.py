"""The service under load, and beside it a bare FastAPI application over the same FAISS index.

The service is `mmreco serve`, in a process of its own, and so is the bare application: one route that takes a user's
number and answers with the nearest items of a FAISS index, their titles and scores, as FastAPI's own tutorial would
have it. It knows no users (their vectors are made before it starts), no filters, no events. Client and server are told
apart: the client is this process. Each part of the run is asked in turns, both alternating, so that a machine that is
busy with other things is as busy for both.

Asked are 16 connections, each with one question at a time. While the service is asked, its artefact is swapped every
five seconds, between two whose titles differ, and 50 events a second come in. An answer is mixed if it names items of
the other artefact than the one it says, or if a user without events gets other items than that artefact gives.

Run: `python benchmarks/service.py`. The last line is one JSON object. Memory over time: `service_memory.py`.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models import ALS
from mmreco.recommender import Recommender
from mmreco.storage.artefact import open_artefact, publish

K, DIM, CONNECTIONS = 10, 64, 16
SWAP_SECONDS, EVENTS_A_SECOND = 5.0, 50
IDLE_SECONDS = 2.0  # uvicorn closes a connection after 5; a client that waited for a processor may come later
MARKS = ("Aster", "Birch")  # how titles of the two artefacts begin
WORDS = [
    "red",
    "blue",
    "dress",
    "shoe",
    "linen",
    "wool",
    "tea",
    "pot",
    "lamp",
    "oak",
    "chair",
    "small",
    "large",
    "soft",
]
ALIKE = 0.8  # of a list: sums in another order turn neighbours round, and artefacts here have nothing in common

BARE = """
import sys
from pathlib import Path
import faiss, numpy as np, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

folder = Path(sys.argv[1])
users, titles = np.load(folder / "users.npy"), (folder / "titles.txt").read_text().split("\\n")
index = faiss.IndexFlatIP(users.shape[1])
index.add(np.load(folder / "items.npy"))
app = FastAPI()

class Question(BaseModel):
    users: list[str]
    k: int = 10

class Item(BaseModel):
    item_id: str
    score: float
    title: str

class Answer(BaseModel):
    answers: list[list[Item]]

@app.post("/v1/recommend")
def recommend(question: Question) -> Answer:
    rows = [int(user.removeprefix("user-")) for user in question.users]
    scores, found = index.search(users[rows], question.k)
    return Answer(answers=[
        [Item(item_id=f"item-{row}", score=score, title=titles[row]) for row, score in zip(line, own)]
        for line, own in zip(found.tolist(), scores.tolist())
    ])

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


# ---- the shop


def shop(n_items: int, n_users: int, mark: str, seed: int) -> Recommender:
    """A catalogue in clusters, each user at home in three of them; titles begin with `mark`."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 200, n_items)
    by_cluster = [np.flatnonzero(cluster == c) for c in range(200)]
    lists = []
    for _ in range(n_users):
        own = np.concatenate([by_cluster[c] for c in rng.integers(0, 200, 3)])
        lists.append(rng.choice(own, size=min(20, len(own)), replace=False))
    words = rng.choice(WORDS, size=(n_items, 3))
    titles = [f"{mark} {' '.join(line)} {row}" for row, line in enumerate(words.tolist())]
    catalogue = Catalogue.from_frame(pa.table({"item_id": [f"item-{n}" for n in range(n_items)], "title": titles}))
    log = Interactions.from_events(
        IdMap.of([f"user-{n}" for n in range(n_users)]),
        catalogue.items,
        np.repeat(np.arange(n_users), [len(own) for own in lists]),
        np.concatenate(lists),
        times=np.concatenate([1_700_000_000_000 + np.arange(len(own)) for own in lists]),
    )
    model = ALS(dim=DIM, iterations=3)
    return Recommender.fit(Dataset(catalogue, log), model=model, text=[], image=[])


# ---- the client: as little as it can be, on asyncio's streams


@dataclass
class Tally:
    """What became of requests."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    mixed: int = 0
    generations: Counter[str] = field(default_factory=Counter)


class Connection:
    """One connection that is kept, and opened anew where it was idle for longer than servers keep one."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.used = time.perf_counter()
        return self

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        if time.perf_counter() - self.used > IDLE_SECONDS:
            self.close()
            await self.open()
        self.used = time.perf_counter()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(answer[9:12]), await self.reader.readexactly(length)

    def close(self) -> None:
        self.writer.close()


@dataclass
class Expected:
    """What both artefacts answer to users who do nothing meanwhile."""

    quiet: list[str]
    by_mark: dict[str, dict[str, list[str]]]
    mark_of: dict[str, str]  # by generation


async def load(port: int, until: float, users: list[str], tally: Tally, expected: Expected | None) -> None:
    """One connection that asks until then, and checks every answer."""
    connection, rng = await Connection(port).open(), np.random.default_rng(len(tally.seconds) + id(tally) % 1000)
    while time.perf_counter() < until:
        user = users[int(rng.integers(len(users)))]
        body = b'{"users": ["%s"], "k": %d}' % (user.encode(), K)
        start = time.perf_counter()
        try:
            status, answer = await connection.ask("POST", "/v1/recommend", body)
        except (OSError, asyncio.IncompleteReadError):
            tally.statuses[0] += 1
            connection = await Connection(port).open()
            continue
        tally.seconds.append(time.perf_counter() - start)
        tally.statuses[status] += 1
        told = json.loads(answer)
        if expected is not None and status == 200:
            check(told, user, tally, expected)
    connection.close()


def check(told: dict[str, Any], user: str, tally: Tally, expected: Expected) -> None:
    """Count an answer that is from two artefacts, or from another than it says."""
    tally.generations[told["generation"]] += 1
    mark, items = expected.mark_of[told["generation"]], told["answers"][0]["items"]
    of_another = len(items) != K or any(not item["title"].startswith(mark) for item in items)
    wanted = expected.by_mark[mark].get(user)
    tally.mixed += of_another or (wanted is not None and not alike([item["item_id"] for item in items], wanted))


def alike(found: list[str], wanted: list[str]) -> bool:
    """Whether two lists are one but for a few neighbours."""
    return len(found) == len(wanted) and len(set(found) & set(wanted)) >= ALIKE * len(wanted)


async def events_come(port: int, until: float, users: list[str], n_items: int, tally: Tally) -> None:
    """50 events a second, one a request."""
    connection, rng, number = await Connection(port).open(), np.random.default_rng(1), 0
    start = time.perf_counter()
    while (now := time.perf_counter()) < until:
        due = start + number / EVENTS_A_SECOND
        if due > now:
            await asyncio.sleep(due - now)
        event = {"user_id": users[int(rng.integers(len(users)))], "item_id": f"item-{int(rng.integers(n_items))}"}
        begun = time.perf_counter()
        status, _ = await connection.ask("POST", "/v1/events", json.dumps(event).encode())
        tally.seconds.append(time.perf_counter() - begun)
        tally.statuses[status] += 1
        number += 1
    connection.close()


async def swaps(artefact: Path, made: list[Path], until: float, expected: Expected) -> int:
    """Publish one artefact after the other, as a training would; how many."""
    more, begun = 0, time.perf_counter()
    while (due := begun + (more + 0.5) * SWAP_SECONDS) < until:
        await asyncio.sleep(due - time.perf_counter())
        number = len(expected.mark_of)
        expected.mark_of[f"g-{number + 1:06d}"] = MARKS[number % 2]
        await asyncio.to_thread(published, made[number % 2], artefact)
        more += 1
    return more


def published(source: Path, artefact: Path) -> None:
    """A copy of an artefact as the next generation of another."""
    made = open_artefact(source)
    with publish(artefact, made.kind, made.about) as fresh:
        for path in made.path.iterdir():
            if path.name != "manifest.json":
                (shutil.copytree if path.is_dir() else shutil.copy)(path, fresh / path.name)


async def fresh_events(port: int, n: int, n_items: int) -> list[float]:
    """Seconds from sending an event of a stranger's to an answer that has it."""
    connection, taken = await Connection(port).open(), []
    for number in range(n):
        user, start = f"stranger-{number}", time.perf_counter()
        event = {"user_id": user, "item_id": f"item-{number % n_items}"}
        await connection.ask("POST", "/v1/events", json.dumps(event).encode())
        for _ in range(100):
            _, answer = await connection.ask("POST", "/v1/recommend", json.dumps({"users": [user]}).encode())
            if not json.loads(answer)["answers"][0]["popular"]:
                break
        taken.append(time.perf_counter() - start)
    connection.close()
    return taken


async def fresh_items(port: int, n: int) -> list[float]:
    """Seconds from sending a new item to a search that finds it."""
    connection, taken = await Connection(port).open(), []
    for number in range(n):
        word, start = f"zirconium{number}", time.perf_counter()
        await connection.ask("PUT", f"/v1/items/new-{number}", json.dumps({"title": f"A {word} pot"}).encode())
        for _ in range(100):
            _, answer = await connection.ask("POST", "/v1/search", json.dumps({"text": [word], "k": 1}).encode())
            if [item["item_id"] for item in json.loads(answer)["answers"][0]["items"]] == [f"new-{number}"]:
                break
        taken.append(time.perf_counter() - start)
    connection.close()
    return taken


# ---- the run


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def wait_for(port: int, path: str, process: "subprocess.Popen[bytes]") -> None:
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            if (await (await Connection(port).open()).ask("GET", path))[0] == 200:
                return
        except (OSError, asyncio.IncompleteReadError):
            pass
        await asyncio.sleep(0.1)


def memory(pid: int) -> float:
    """Resident memory, MB."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(pid: int) -> float:
    """What a process has had of a processor."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def milliseconds(seconds: list[float], share: float) -> float:
    return round(1000 * float(np.quantile(seconds, share)), 2) if seconds else float("nan")


async def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    made: list[Path] = []
    active = [f"user-{n}" for n in range(options.users)]
    expected = Expected(active[: options.users // 2], {}, {"g-000001": MARKS[0]})
    for seed, mark in enumerate(MARKS):
        recommender = shop(options.items, options.users, mark, seed)
        made.append(folder / mark)
        recommender.save(made[-1])
        answer = recommender.recommend(expected.quiet, k=K).ids()
        expected.by_mark[mark] = dict(zip(expected.quiet, answer, strict=True))
        if seed == 0:
            np.save(folder / "items.npy", recommender.model.item_embeddings().vectors)
            np.save(folder / "users.npy", recommender.model.user_vectors(recommender.dataset.interactions))
            (folder / "titles.txt").write_text("\n".join(recommender.catalogue.table["title"].to_pylist()))
    artefact = folder / "artefact"
    shutil.copytree(made[0], artefact)
    ports = free_port(), free_port()
    own = [sys.executable, "-m", "mmreco", "serve", str(artefact), "--port", str(ports[0])]
    peer = [sys.executable, "-c", BARE, str(folder), str(ports[1])]
    servers = [subprocess.Popen(words) for words in (own, peer)]
    try:
        await wait_for(ports[0], "/readyz", servers[0])
        await wait_for(ports[1], "/openapi.json", servers[1])
        await same_answers(ports, active[:100])
        return await measured(
            options, ports, (servers[0].pid, servers[1].pid), artefact, made, active[options.users // 2 :], expected
        )
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()


async def same_answers(ports: tuple[int, int], users: list[str]) -> None:
    """Both answer the same question alike, before either is timed."""
    for user in users:
        scores = []
        for port in ports:
            connection = await Connection(port).open()
            body = {"users": [user], "k": K} | ({"exclude_seen": False} if port == ports[0] else {})
            told = json.loads((await connection.ask("POST", "/v1/recommend", json.dumps(body).encode()))[1])
            found = told["answers"][0]["items"] if port == ports[0] else told["answers"][0]
            scores.append([item["score"] for item in found])
            connection.close()
        if not np.allclose(*scores, rtol=1e-3):
            raise RuntimeError(f"{user}: the answers differ: {scores}")


async def measured(
    options: argparse.Namespace, ports: tuple[int, int], pids: tuple[int, int], artefact: Path, made: list[Path],
    moving: list[str], expected: Expected,
) -> dict[str, Any]:  # fmt: skip
    users = [*expected.quiet, *moving]
    for port in ports:  # warm
        await asyncio.gather(*(load(port, time.perf_counter() + 2, users, Tally(), None) for _ in range(CONNECTIONS)))
    one = {}
    for name, port in zip(("service", "bare"), ports, strict=True):
        tally = Tally()
        await load(port, time.perf_counter() + options.seconds / 6, users, tally, None)
        one[name] = tally.seconds
    tallies, spent, cpu, events, swapped = (Tally(), Tally()), [0.0, 0.0], [0.0, 0.0], Tally(), 0
    turns = max(1, round(options.seconds / options.turn))
    for _ in range(turns):
        for place in (0, 1):
            start, had = time.perf_counter(), cpu_seconds(pids[place])
            until = start + options.turn
            asked: list[Any] = [
                load(ports[place], until, users, tallies[place], expected if place == 0 else None)
                for _ in range(CONNECTIONS)
            ]
            if place == 0:
                asked.append(events_come(ports[0], until, moving, options.items, events))
                asked.append(swaps(artefact, made, until, expected))
            done = await asyncio.gather(*asked)
            spent[place] += time.perf_counter() - start
            cpu[place] += cpu_seconds(pids[place]) - had
            swapped += done[-1] if place == 0 else 0
    rates = [sum(tally.statuses.values()) / seconds for tally, seconds in zip(tallies, spent, strict=True)]
    resident = memory(pids[0])
    event_seconds = await fresh_events(ports[0], 200, options.items)
    item_seconds = await fresh_items(ports[0], 20)
    failed = sum(n for tally in (tallies[0], events) for status, n in tally.statuses.items() if status != 200)
    return {
        "items": options.items, "users": options.users, "connections": CONNECTIONS, "seconds": round(spent[0], 1),
        "requests_a_second": round(rates[0], 1), "bare_requests_a_second": round(rates[1], 1),
        "ratio": round(rates[0] / rates[1], 3),
        "p50_ms": milliseconds(tallies[0].seconds, 0.5), "p99_ms": milliseconds(tallies[0].seconds, 0.99),
        "bare_p50_ms": milliseconds(tallies[1].seconds, 0.5), "bare_p99_ms": milliseconds(tallies[1].seconds, 0.99),
        "p99_ratio": round(milliseconds(tallies[0].seconds, 0.99) / milliseconds(tallies[1].seconds, 0.99), 3),
        "requests": sum(tallies[0].statuses.values()), "failed": failed, "mixed": tallies[0].mixed,
        "swaps": swapped, "generations": len(tallies[0].generations),
        "events": sum(events.statuses.values()), "event_p99_ms": milliseconds(events.seconds, 0.99),
        "cpu_ms_a_request": round(1000 * cpu[0] / sum(tallies[0].statuses.values()), 3),
        "bare_cpu_ms_a_request": round(1000 * cpu[1] / sum(tallies[1].statuses.values()), 3),
        "one_p50_ms": milliseconds(one["service"], 0.5), "one_p99_ms": milliseconds(one["service"], 0.99),
        "bare_one_p50_ms": milliseconds(one["bare"], 0.5),
        "bare_one_p99_ms": milliseconds(one["bare"], 0.99),
        "event_in_answer_p99_ms": milliseconds(event_seconds, 0.99),
        "new_item_found_max_ms": milliseconds(item_seconds, 1),
        "memory_mb": round(resident), "load_average": os.getloadavg()[0],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="under load, of each of the two")
    parser.add_argument("--turn", type=float, default=15.0, help="seconds at a time of one of the two")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(run(options, Path(folder)))))


if __name__ == "__main__":
    main()
