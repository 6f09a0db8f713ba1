"""What a stored index survives: damage, kills, faults, writers and readers at once, forgetting, and recall as shipped.

Usage: python benchmarks/reliability_index.py [--quick]

Each part counts what went wrong, and none should; the last line of standard output is one JSON object.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mmreco import DataError, Embeddings, IdMap, IncompatibleError, VectorIndex
from mmreco.index import forget
from mmreco.storage import artefact
from mmreco.storage.artefact import verify

WRITER = """
import sys, numpy as np
from mmreco import Embeddings, IdMap, VectorIndex
number = int(sys.argv[2])
while True:
    number += 1
    held = Embeddings(IdMap.of([f"{number}-{row}" for row in range(200)]), np.full((200, 8), number, dtype=np.float32))
    VectorIndex(held, device="cpu").save(sys.argv[1])
    print(number, flush=True)
"""
READER = """
import sys, numpy as np
from mmreco import VectorIndex
answers = 0
while True:
    index = VectorIndex.load(sys.argv[1], device="cpu")
    number = int(index.embeddings.vectors[0, 0])
    found = index.search(np.ones((2, 8), dtype=np.float32), 3)
    assert (found.scores == 8.0 * number).all() and found.ids(index.embeddings.ids)[0][0] == f"{number}-0"
    answers += 1
    if number >= int(sys.argv[2]):
        break
print(answers)
"""


def shop(n: int, dim: int = 16, *, seed: int = 0) -> Embeddings:
    """Clustered vectors of unit length."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((300, dim)).astype(np.float32)
    vectors = centres[rng.integers(300, size=n)] + 0.5 * rng.standard_normal((n, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(IdMap.of([f"sku-{seed}-{row}" for row in range(n)]), vectors)


def mutated(folder: Path, rounds: int, bits: int) -> dict[str, Any]:
    """Stored files cut, overwritten and flipped: how many loads were refused, and how many flipped bits were found."""
    VectorIndex(shop(2_000), quality="IVF16,SQ8", device="cpu").save(folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    rng = np.random.default_rng(0)
    refused = {"mutations": 0, "bits": 0}
    for what, times in (("mutations", rounds), ("bits", bits)):
        for number in range(times):
            path = files[number % len(files)]
            whole = path.read_bytes()
            raw = bytearray(whole)
            at = int(rng.integers(len(raw)))
            if what == "bits":
                raw[at] ^= 1 << int(rng.integers(8))
            elif number % 3 == 0:
                del raw[at:]
            else:
                raw[at : at + 8] = rng.bytes(min(8, len(raw) - at))
            if raw == whole:
                refused[what] += 1  # the same bytes were drawn
                continue
            path.write_bytes(raw)
            try:
                VectorIndex.load(folder, device="cpu") if what == "mutations" else verify(folder)
            except (DataError, IncompatibleError):
                refused[what] += 1
            path.write_bytes(whole)
    return {"mutations": rounds, "refused": refused["mutations"], "bits": bits, "found": refused["bits"]}


def killed(folder: Path, kills: int) -> dict[str, int]:
    """SIGKILLs while an index is published again and again."""
    rng = np.random.default_rng(0)
    counts = {"kills": kills, "unreadable": 0, "older_than_acknowledged": 0, "mixed": 0, "leftovers": 0}
    acknowledged = 0
    for _ in range(kills):
        command = [sys.executable, "-c", WRITER, str(folder), str(acknowledged)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        time.sleep(float(rng.random()) * 0.05)
        writer.send_signal(signal.SIGKILL)
        rest = [line for line in writer.stdout if line.endswith("\n")]
        acknowledged = int(rest[-1]) if rest else acknowledged
        writer.wait()
        try:
            vectors = VectorIndex.load(folder, device="cpu").embeddings.vectors
        except (DataError, IncompatibleError):
            counts["unreadable"] += 1
            continue
        counts["older_than_acknowledged"] += bool(vectors[0, 0] < acknowledged)
        counts["mixed"] += bool((vectors != vectors[0, 0]).any())
        counts["leftovers"] += len(list(folder.iterdir())) - 2
        acknowledged = max(acknowledged, int(vectors[0, 0]))
    return counts


def faulty(folder: Path) -> dict[str, int]:
    """A full disk at each sync, rename and opening of a publication in turn."""
    VectorIndex(shop(500), device="cpu").save(folder)
    new = VectorIndex(shop(100, seed=1), device="cpu")
    counts = {"faults": 0, "unreadable": 0}
    for call in ("fsync", "replace", "open"):
        true = getattr(os, call)
        for fault in range(1_000):
            step = 0

            def failing(*args: Any, _true: Any = true, _fault: int = fault, **kwargs: Any) -> Any:
                nonlocal step
                step += 1
                if step == _fault + 1:
                    raise OSError(28, "No space left on device")
                return _true(*args, **kwargs)

            setattr(artefact.os, call, failing)
            try:
                new.save(folder)
                break
            except OSError:
                counts["faults"] += 1
            finally:
                setattr(artefact.os, call, true)
            try:
                VectorIndex.load(folder, device="cpu")
            except (DataError, IncompatibleError):
                counts["unreadable"] += 1
    return counts


def shared(folder: Path, publications: int) -> dict[str, Any]:
    """Four readers while an index is published again and again, and a second writer."""

    def save(number: int) -> None:
        ids = IdMap.of([f"{number}-{row}" for row in range(200)])
        VectorIndex(Embeddings(ids, np.full((200, 8), number, dtype=np.float32)), device="cpu").save(folder)

    save(1)
    command = [sys.executable, "-c", READER, str(folder), str(publications)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for number in range(2, publications + 1):
        save(number)
    said = [reader.communicate()[0] for reader in readers]
    writer = [sys.executable, "-c", WRITER, str(folder), "0"]
    with artefact.publish(folder, "VectorIndex"):
        refused = "another writer is at work" in subprocess.run(writer, capture_output=True, text=True).stderr
    errors = sum(reader.returncode != 0 for reader in readers)
    return {
        "publications": publications,
        "reader_errors": errors,
        "answers": sum(int(each or 0) for each in said),
        "second_writer_refused": refused,
    }


def forgotten(folder: Path, queries: int) -> dict[str, int]:
    """How often a forgotten id is in the store's bytes, and how often among answers."""
    VectorIndex(shop(20_000), quality="fast", device="cpu").save(folder)
    gone = [f"sku-0-{row}" for row in range(10_000, 10_100)]
    index = forget(folder, gone)
    raw = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    answered = index.search(shop(queries, seed=3).vectors, 10).ids(index.embeddings.ids)
    return {
        "forgotten": len(gone),
        "found_in_bytes": sum(each.encode() in raw for each in gone),
        "queries": queries,
        "answered": sum(bool(set(line) & set(gone)) for line in answered),
    }


def recalled(n: int) -> dict[str, Any]:
    """Recall@10 of each word as shipped, on queries that are no items."""
    embeddings, queries = shop(n, 64), shop(1_000, 64, seed=7).vectors
    exact = VectorIndex(embeddings, device="cpu").search(queries, 10).rows
    found = {}
    for quality in ("high", "fast", "small"):
        start = time.perf_counter()
        index = VectorIndex(embeddings, quality=quality, device="cpu")
        seconds = time.perf_counter() - start
        rows = index.search(queries, 10).rows
        hits = np.mean([np.isin(a, b).mean() for a, b in zip(exact, rows, strict=True)])
        report = index.report()
        found[quality] = {"recall": round(float(hits), 4), "said": report["recall"], "built": report["factory"]}
        found[quality] |= {"seconds": round(seconds, 1), "bytes": report["bytes"] - embeddings.vectors.nbytes}
    return found


def main() -> int:
    """Run every part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rounds, to see that it runs")
    quick = parser.parse_args().quick
    few = 100 if quick else 1
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        figures = {
            "damage": mutated(top / "damage", 4_800 // few, 500 // few),
            "kills": killed(top / "kills", 1_000 // few),
            "faults": faulty(top / "faults"),
            "readers": shared(top / "readers", 200 // few + 1),
            "forget": forgotten(top / "forget", 10_000 // few),
            "recall": recalled(100_000 // (10 if quick else 1)),
        }
    print(json.dumps(figures))
    damage, kills = figures["damage"], figures["kills"]
    well = (
        damage["refused"] == damage["mutations"]
        and damage["found"] == damage["bits"]
        and not any(kills[each] for each in kills if each != "kills")
        and figures["faults"]["unreadable"] == figures["readers"]["reader_errors"] == 0
        and figures["readers"]["second_writer_refused"]
        and figures["forget"]["found_in_bytes"] == figures["forget"]["answered"] == 0
        and all(each["recall"] >= 0.95 for each in figures["recall"].values())
    )
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
