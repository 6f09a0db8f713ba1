"""The memory of a service over time, at a modest rate: whether it grows.

`mmreco serve` in a process of its own; 100 requests and 50 events a second from four connections, an artefact swapped
every five seconds, as in `benchmarks/service.py`. What answers holds each event until a fit has it, so some growth is
due. Resident memory is read four times a second; of each 30 seconds the median counts, and the first two minutes, in
which allocators fill, do not. What is said to have grown is the last third over the first.

Run: `python benchmarks/service_memory.py`. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from service import MARKS, Connection, Expected, Tally, events_come, free_port, memory, shop, swaps, wait_for

RATE, CONNECTIONS = 100, 4  # requests a second, of all connections together
WINDOW, WARM = 30.0, 120.0  # seconds


async def ask(port: int, until: float, users: list[str], place: int, statuses: Counter[int]) -> None:
    """A quarter of the requests, each at its time."""
    connection, rng, number = await Connection(port).open(), np.random.default_rng(place), 0
    start = time.perf_counter()
    while (now := time.perf_counter()) < until:
        due = start + (number + place / CONNECTIONS) * CONNECTIONS / RATE
        if due > now:
            await asyncio.sleep(due - now)
        body = json.dumps({"users": [users[int(rng.integers(len(users)))]]}).encode()
        status, _ = await connection.ask("POST", "/v1/recommend", body)
        statuses[status] += 1
        number += 1
    connection.close()


async def watch(pid: int, until: float) -> list[float]:
    """Resident memory, MB, four times a second."""
    read: list[float] = []
    while time.perf_counter() < until:
        read.append(memory(pid))
        if len(read) % 120 == 0:
            print(f"{len(read)} readings, {np.median(read[-120:]):.1f} MB", file=sys.stderr, flush=True)
        await asyncio.sleep(0.25)
    return read


async def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    made = []
    for seed, mark in enumerate(MARKS):
        made.append(folder / mark)
        shop(options.items, options.users, mark, seed).save(made[-1])
    artefact, port, users = folder / "artefact", free_port(), [f"user-{n}" for n in range(options.users)]
    shutil.copytree(made[0], artefact)
    server = subprocess.Popen([sys.executable, "-m", "mmreco", "serve", str(artefact), "--port", str(port)])
    try:
        await wait_for(port, "/readyz", server)
        statuses: Counter[int] = Counter()
        events, until = Tally(), time.perf_counter() + WARM + options.seconds
        expected = Expected([], {}, {"g-000001": MARKS[0]})
        *_, swapped, read = await asyncio.gather(
            *(ask(port, until, users, place, statuses) for place in range(CONNECTIONS)),
            events_come(port, until, users, options.items, events),
            swaps(artefact, made, until, expected),
            watch(server.pid, until),
        )
    finally:
        server.terminate()
        server.wait()
    per_second = len(read) / (WARM + options.seconds)
    windows = [
        float(np.median(read[int(at * per_second) : int((at + WINDOW) * per_second)]))
        for at in np.arange(WARM, WARM + options.seconds - WINDOW / 2, WINDOW)
    ]
    third = max(1, len(windows) // 3)
    statuses += events.statuses
    return {
        "items": options.items, "users": options.users, "seconds": options.seconds,
        "requests": sum(statuses.values()) - sum(events.statuses.values()), "events": sum(events.statuses.values()),
        "failed": sum(n for status, n in statuses.items() if status != 200), "swaps": swapped,
        "memory_mb": [round(one, 1) for one in windows], "before_mb": round(float(np.median(read[:20])), 1),
        "grown": round(float(np.mean(windows[-third:]) / np.mean(windows[:third]) - 1), 4),
        "load_average": os.getloadavg()[0],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="over which memory is watched, after two minutes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(run(options, Path(folder)))))


if __name__ == "__main__":
    main()
