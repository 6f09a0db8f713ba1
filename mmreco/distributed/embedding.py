"""embed() on Ray: readers and encoders on many machines, one store, the same shards and the same manifest.

Ray Data hands rows to actors that each hold the encoder; an actor reads a content, hashes it, and encodes it unless
the store has it. What comes back, in any order, is written by the driver alone, a shard at a time, so a killed job
is resumed by running it again, on Ray or without.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32
from mmreco.data.ids import IdMap
from mmreco.distributed.cluster import cluster
from mmreco.embedding.contents import read
from mmreco.embedding.embed import EmbedResult
from mmreco.embedding.run import Prepares
from mmreco.embedding.store import Refusal, ShardStore
from mmreco.errors import DataError
from mmreco.protocols import Encoder, QueryEncoder

__all__ = ["embed_on_ray"]

_logger = logging.getLogger(__name__)


def embed_on_ray(
    encoder: Encoder[Any],
    ids: IdMap,
    contents: Sequence[Any],
    *,
    store: str | Path,
    shard_size: int = 1024,
    batch_size: int = 64,
    actors: int = 1,
    gpus: float = 0.0,
) -> EmbedResult:
    """Every item's content as a vector in `store`, made by Ray actors; resumed by running it again.

    Parameters
    ----------
    encoder : Encoder
        Sent to every actor. One that `Prepares` reads text as paths.
    ids : `n` items
    contents : `n` contents
        As `embed` takes them; paths must mean the same on every machine.
    store : folder of the driver's machine
        As `embed` writes it: either goes on with what the other left.
    shard_size, batch_size : 1 or more
        Contents written, and encoded, at a time.
    actors : 1 or more
        Copies of the encoder. Ray needs more CPUs than these, or reading starves (ray issue 44687).
    gpus : 0 or more
        Of each actor; a share of one will do.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    DataError
        An option is out of range, there are more or fewer contents than ids, the cluster has no CPU beside the
        actors', or as `embed`.
    IncompatibleError
        `store` holds another kind of artefact.
    """
    for name, value in (("shard_size", shard_size), ("batch_size", batch_size), ("actors", actors)):
        if value < 1:
            raise DataError(f"{name}={value}: expected 1 or more")
    if gpus < 0:
        raise DataError(f"gpus={gpus}: expected 0 or more")
    if len(contents) != len(ids):
        raise DataError(f"{len(contents)} contents for {len(ids)} ids; give None where an item has none")
    ray = cluster("embedding")
    started = perf_counter()
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus <= actors:
        raise DataError(f"actors={actors}: the cluster has {cpus} CPUs; expected more CPUs than actors, one reads")
    with ShardStore.open(store, fingerprint=encoder.fingerprint, dim=encoder.dim) as shards:
        known = ray.put(np.sort(shards.ledger.digests()))
        rows = [row for row, content in enumerate(contents) if content is not None]
        given = ray.data.from_items(
            [{"row": row, "content": contents[row]} for row in rows],
            override_num_blocks=max(1, min(len(rows) // batch_size, 64 * actors)),
        )
        made = given.map_batches(
            _Worker,
            fn_constructor_args=(encoder, known),
            batch_size=batch_size,
            batch_format="numpy",
            concurrency=actors,
            num_cpus=1,
            num_gpus=gpus,
        )
        writer = _Writer(ids, shards, encoder.dim, shard_size)
        for batch in made.iter_batches(batch_size=None, batch_format="numpy"):
            writer.take(batch)
        done = writer.end()
    _logger.info(
        "%d items on %d actors: %d embedded, %d skipped, %d refused", len(ids), actors, *done[1:3], len(done[3])
    )
    schema = pa.schema([("id", pa.large_string()), ("reason", pa.large_string())])
    table = pa.table({"id": [r.id for r in done[3]], "reason": [r.reason for r in done[3]]}, schema=schema)
    return EmbedResult(done[0], table, done[1], done[2], perf_counter() - started)


class _Worker:
    """An actor: the encoder, and the digests of what the store has."""

    def __init__(self, encoder: Encoder[Any], known: Any) -> None:
        self._encoder = encoder
        self._known = known if isinstance(known, np.ndarray) else cluster("embedding").get(known)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        n = len(batch["row"])
        digests, reasons, ready = [b""] * n, [""] * n, {}
        for at, content in enumerate(batch["content"]):
            try:
                digests[at], ready[at] = self._loaded(content)
            except DataError as error:
                digests[at], reasons[at] = getattr(error, "digest", b""), str(error)
        fresh = [at for at, one in ready.items() if one is not None]
        vectors = np.zeros((n, self._encoder.dim), dtype=np.float32)
        made = np.zeros(n, dtype=bool)
        for at, vector, reason in self._encoded(fresh, [ready[at] for at in fresh]):
            made[at], reasons[at] = not reason, reason
            vectors[at] = vector
        return {
            "row": batch["row"],
            "digest": np.array([d.hex() for d in digests]),
            "reason": np.array(reasons),
            "made": made,
            "vector": vectors,
        }

    def _loaded(self, content: Any) -> tuple[bytes, Any]:
        """The content's digest, and what is to be encoded, None where the store has it."""
        prepares = isinstance(self._encoder, Prepares)
        content, digest = read(Path(content) if prepares and isinstance(content, str) else content)
        at = int(self._known.searchsorted(np.frombuffer(digest, dtype="S32"))[0])
        if self._known[at : at + 1].tobytes() == digest:
            return digest, None
        if not isinstance(self._encoder, Prepares):
            return digest, content
        try:
            return digest, self._encoder.prepare(content)
        except DataError as error:
            error.digest = digest  # type: ignore[attr-defined]
            raise

    def _encoded(self, places: list[int], ready: list[Any]) -> list[tuple[int, F32, str]]:
        """Place, vector and reason of refusal of each; offenders found by halving."""
        nothing = np.zeros(self._encoder.dim, dtype=np.float32)
        if not places:
            return []
        try:
            if isinstance(self._encoder, Prepares):
                vectors = np.asarray(self._encoder.encode_prepared(ready), dtype=np.float32)
            else:
                encoder = self._encoder
                encode = encoder.encode_document if isinstance(encoder, QueryEncoder) else encoder.encode
                vectors = np.asarray(encode(ready, batch_size=len(ready)), dtype=np.float32)
        except DataError as error:
            if len(places) == 1:
                return [(places[0], nothing, str(error))]
            half = len(places) // 2
            return self._encoded(places[:half], ready[:half]) + self._encoded(places[half:], ready[half:])
        return [
            (at, vector, "") if np.isfinite(vector).all() else (at, nothing, "its vector holds NaN or infinity")
            for at, vector in zip(places, vectors, strict=True)
        ]


class _Writer:
    """The driver's end: what comes back goes into shards, and at last into the result."""

    def __init__(self, ids: IdMap, store: ShardStore, dim: int, shard_size: int) -> None:
        self._ids, self._store, self._size = ids, store, shard_size
        self._digests = np.zeros(len(ids), dtype="S32")
        self._reasons: dict[int, str] = {}
        self._known: set[bytes] = set()  # contents of this run that are on disk or waiting
        self._rows: list[int] = []
        self._vectors: list[F32] = [np.empty((0, dim), dtype=np.float32)]
        self._refused: list[Refusal] = []
        self._made = 0

    def take(self, batch: dict[str, Any]) -> None:
        """What an actor made of a batch."""
        fresh = []
        for at, row in enumerate(batch["row"].tolist()):
            digest, reason = bytes.fromhex(str(batch["digest"][at])), str(batch["reason"][at])
            if digest:
                self._digests[row] = digest
            if reason:
                self._reasons[row] = reason
                self._refused.append(Refusal(self._id(row), digest, reason))
            elif batch["made"][at]:
                self._made += 1
                if digest not in self._known:
                    self._known.add(digest)
                    self._rows.append(row)
                    fresh.append(at)
        self._vectors.append(batch["vector"][np.array(fresh, dtype=np.int64)])
        if len(self._rows) + len(self._refused) >= self._size:
            self._write()

    def end(self) -> tuple[Any, int, int, list[Refusal]]:
        """The result, how many were embedded and skipped, and the refused in the order of the input."""
        if self._rows or self._refused:
            self._write()
        kept = np.array(
            [r for r in range(len(self._ids)) if self._digest(r) and r not in self._reasons], dtype=np.int64
        )
        refused = [Refusal(self._id(r), self._digest(r), reason) for r, reason in sorted(self._reasons.items())]
        embeddings = self._store.finish(self._ids.take(kept), self._digests[kept], refused)
        return embeddings, self._made, len(kept) - self._made, refused

    def _write(self) -> None:
        digests = [self._digest(row) for row in self._rows]
        vectors = np.concatenate([part for part in self._vectors if len(part)] or self._vectors[:1])
        self._store.append([self._id(row) for row in self._rows], digests, vectors, self._refused)
        self._rows, self._vectors, self._refused = [], self._vectors[:1], []

    def _digest(self, row: int) -> bytes:
        digest = self._digests[row : row + 1].tobytes()
        return digest if digest.rstrip(b"\0") else b""

    def _id(self, row: int) -> str:
        return str(self._ids.array[row].as_py())
