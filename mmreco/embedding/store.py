"""ShardStore: the vectors of a long embedding run, safe from a kill at any moment.

A store is an artefact (`mmreco.storage.artefact`) of embeddings with a journal beside it::

    store/
      CURRENT, g-000003/   the result of the last complete run, what `Embeddings.read(store)` gives
        manifest.json        SHA-256 of each file; fingerprint, dim, dtype
        vectors.npy          row r is the vector of
        rows.parquet         row r: id, hash (SHA-256 of the content)
        refused.parquet      id, hash (null where nothing could be read), reason
      shards/shard-000012/ what the run in progress has done so far; each an artefact of the same files
      lock                 held (flock) by the one writer

A shard is written whole or not at all, and so is the result; once the result holds them, the shards go.
Vectors are found by the hash of their content, never by place or id, so that neither the order of the input
nor a renamed id costs a second encoding. While a run is unfinished the old result answers.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings, read_vectors, write_rows
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.storage.artefact import Artefact, current, open_artefact, publish

__all__ = ["Digests", "Ledger", "Refusal", "ShardStore", "hashes", "packed"]

Digests = npt.NDArray[np.bytes_]
"""SHA-256 digests, shape `(n,)` of dtype `S32`; an empty one stands for "no content". NumPy drops trailing
zero bytes when it hands out an element, so digests are taken out with `.tobytes()` only."""

_KIND, _SHARD = Embeddings.__name__, "Shard"
_NAME = re.compile(r"shard-(\d{6,12})")
_BLOCK = 1 << 18  # values gathered at a time when a result is put together
_logger = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """A content without a vector: whose it is, its SHA-256 (empty where it could not be read), and why."""

    id: str
    digest: bytes
    reason: str


def packed(digests: Iterable[bytes]) -> Digests:
    """These SHA-256 digests as an array."""
    joined = b"".join(digests)
    return np.frombuffer(joined, dtype="S32") if joined else np.empty(0, dtype="S32")


def hashes(column: pa.ChunkedArray) -> Digests:
    """The column of hashes of a stored table as digests."""
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    parts = [np.frombuffer(c.buffers()[1], dtype="S32", count=len(c), offset=32 * c.offset) for c in chunks]
    return np.concatenate([packed([]), *parts])


class Ledger:
    """Where the vector of each content lies: in memory or in files, found by the content's SHA-256."""

    def __init__(self) -> None:
        self._sources: list[F32 | Path] = []  # an array, or the folder of an artefact
        self._digests: list[Digests] = []
        self._sealed: Digests = packed([])
        self._reasons: dict[bytes, str] = {}

    def add(self, digests: Digests, vectors: F32 | Path, refused: Iterable[tuple[bytes, str]]) -> None:
        """Enter the contents of a source: vector `r` belongs to digest `r`; `refused` says which have none."""
        self._sources.append(vectors)
        self._digests.append(digests)
        self._reasons.update((digest, reason) for digest, reason in refused if digest)

    def seal(self) -> None:
        """Make what was entered so far known to `holds`."""
        self._sealed = np.sort(np.concatenate([packed([]), *self._digests]))

    def holds(self, digest: bytes) -> bool:
        """Whether this content had a vector when `seal` was called; safe to ask from many threads."""
        at = int(self._sealed.searchsorted(np.frombuffer(digest, dtype="S32"))[0])
        return self._sealed[at : at + 1].tobytes() == digest

    def reason(self, digest: bytes) -> str | None:
        """Why this content was refused, None if it was not."""
        return self._reasons.get(digest)

    def digests(self) -> Digests:
        """Of every content that has a vector, in no order."""
        return np.concatenate([packed([]), *self._digests])

    def places(self, digests: Digests) -> I64:
        """Where the vectors of these contents lie, shape `(n,)`; -1 where there is none. For `vectors`."""
        known = np.concatenate([packed([]), *self._digests])
        if not len(known):
            return np.full(len(digests), -1, dtype=np.int64)
        order = np.argsort(known, kind="stable")
        at = np.minimum(np.searchsorted(known, digests, sorter=order), len(known) - 1)
        return np.where(known[order[at]] == digests, order[at], -1)

    def vectors(self, places: I64, dim: int) -> Iterator[F32]:
        """The vectors at these places, in blocks of shape `(b, dim)`."""
        starts = np.cumsum([0, *(len(d) for d in self._digests)])
        step = max(1, _BLOCK // dim)
        for start in range(0, len(places), step):
            block = places[start : start + step]  # (b,)
            sources = np.searchsorted(starts, block, side="right") - 1  # (b,)
            out = np.empty((len(block), dim), dtype=np.float32)
            for source in np.unique(sources):
                held = self._sources[source]
                mine = sources == source
                rows = block[mine] - starts[source]
                out[mine] = read_vectors(held, rows) if isinstance(held, Path) else held[rows]
            yield out


class ShardStore:
    """A store opened for writing; made by `ShardStore.open`."""

    def __init__(self, folder: Path, *, fingerprint: str, dim: int, dtype: str = "float32") -> None:
        self.ledger = Ledger()
        self._top = folder
        self._shards = folder / "shards"
        self._dim, self._fingerprint = dim, fingerprint
        self._dtype = dtype
        self._about = {"fingerprint": fingerprint, "dim": dim, "dtype": dtype}
        self._result = ""  # what the current generation says of its input
        self._held = 0  # its rows
        self._shards.mkdir(exist_ok=True)
        self._enter_result()
        self._sweep()  # only now, when the result is known to be whole
        self._enter_shards()
        self.ledger.seal()

    @classmethod
    @contextmanager
    def open(cls, folder: str | Path, *, fingerprint: str, dim: int, dtype: str = "float32") -> Iterator["ShardStore"]:
        """The store at `folder`, locked against other writers until the block ends.

        Parameters
        ----------
        folder : made when missing
        fingerprint, dim : of the encoder
            What another encoder left is not used, and is gone once this run is complete.
        dtype : one of `DTYPES`, optional
            Of the stored vectors; what was stored in another is not used either.

        Raises
        ------
        DataError
            `folder` holds something else, another process writes to it, or its result is damaged.
        IncompatibleError
            `folder` holds another kind of artefact.
        """
        top = Path(folder)
        if top.exists() and (not top.is_dir() or (any(top.iterdir()) and not any(top.glob("g-*")))):
            raise DataError(f"{top} exists and is no store of embeddings; choose a new or empty folder")
        if (top / "CURRENT").exists() and not (top / "lock").exists():
            open_artefact(top, _KIND)  # no store yet: nothing is to be left in a folder of another kind
        top.mkdir(parents=True, exist_ok=True)
        if not any(top.glob("g-*")):
            (top / "g-000000").mkdir(exist_ok=True)  # the mark of an artefact that has nothing published yet
        with _locked(top / "lock"):
            yield cls(top, fingerprint=fingerprint, dim=dim, dtype=dtype)

    def append(self, ids: Sequence[str], digests: Sequence[bytes], vectors: F32, refused: Sequence[Refusal]) -> None:
        """Write a shard: `vectors`, shape `(n, dim)`, of `n` contents, and the contents that were refused."""
        held = [int(m[1]) for p in self._shards.iterdir() if (m := _NAME.fullmatch(p.name))]
        shard = self._shards / f"shard-{max(held, default=0) + 1:06d}"
        shard.mkdir()
        _sync(self._shards)
        about = {**self._about, "rows": len(ids), "refused": len(refused)}
        with publish(shard, _SHARD, about) as path:
            columns = {"id": pa.array(ids, pa.large_string()), "hash": _binary(packed(digests))}
            self._write(path, columns, [vectors], _refused_table(refused))
        self.ledger.add(packed(digests), path, ((r.digest, r.reason) for r in refused))

    def finish(self, ids: IdMap, digests: Digests, refused: Sequence[Refusal]) -> Embeddings:
        """The complete run, published with its rows in the order of `ids`; the shards are dropped.

        Parameters
        ----------
        ids : `n` items that have a vector
        digests : shape `(n,)`, all in the ledger
        refused : the items that have none

        Raises
        ------
        DataError
            A digest is not in the ledger, or everything is refused where the last run had vectors.
        """
        table = _refused_table(refused)
        if refused and not len(ids) and self._held:
            raise DataError(
                f"{self._top}: all {len(refused)} contents are refused, first {refused[0].id!r}: {refused[0].reason}; "
                f"the store keeps the {self._held} vectors it has"
            )
        result = _sum_of(ids, digests, table, self._about)
        if result != self._result:
            places = self.ledger.places(digests)
            if (places < 0).any():
                raise DataError(f"{self._top}: {int((places < 0).sum())} of {len(ids)} contents are in no shard")
            about = {**self._about, "rows": len(ids), "refused": table.num_rows, "input": result}
            with publish(self._top, _KIND, about) as path:
                columns = {"id": ids.array, "hash": _binary(digests)}
                self._write(path, columns, self.ledger.vectors(places, self._dim), table)
            self._result = result
        for shard in self._shards.iterdir():
            _remove(shard)
        return Embeddings.read(self._top)

    def _write(self, path: Path, columns: Mapping[str, pa.Array], blocks: Iterable[F32], refused: pa.Table) -> None:
        write_rows(path, columns, blocks, dim=self._dim, fingerprint=self._fingerprint, dtype=self._dtype)
        pq.write_table(refused, path / "refused.parquet")

    def _sweep(self) -> None:
        """Remove what a kill left half done."""
        result = current(self._top) or self._top / "g-000000"
        for left in [*self._top.glob("g-*"), *self._shards.iterdir()]:
            if left != result and not (left / "CURRENT").exists():
                shutil.rmtree(left, ignore_errors=True)

    def _published(self) -> bool:
        return (self._top / "CURRENT").exists()

    def _enter_result(self) -> None:
        if not self._published():
            return
        artefact = open_artefact(self._top, _KIND)
        self._held = int(artefact.about.get("rows", 0))
        if not self._usable(artefact.about):
            _logger.warning(
                "%s: its %d vectors are another encoder's; everything is embedded again, they answer until then",
                self._top,
                self._held,
            )
            return
        if (artefact.path / "refused.parquet").exists():  # not so after a plain Embeddings.write
            self._enter(artefact, refused=False)  # tried again: the encoder may have learnt a format since
            self._result = str(artefact.about.get("input", ""))

    def _enter_shards(self) -> None:
        for shard in sorted(self._shards.iterdir()):
            try:
                artefact = open_artefact(shard, _SHARD)
            except DataError as error:
                _logger.warning("a damaged shard is embedded again: %s", error)
                _remove(shard)
                continue
            if self._usable(artefact.about):
                self._enter(artefact, refused=True)

    def _usable(self, about: Mapping[str, Any]) -> bool:
        return all(about.get(key, value) == value for key, value in self._about.items())

    def _enter(self, artefact: Artefact, *, refused: bool) -> None:
        digests = hashes(pq.read_table(artefact.path / "rows.parquet", columns=["hash"])["hash"])
        table = pq.read_table(artefact.path / "refused.parquet", columns=["hash", "reason"]).to_pydict()
        reasons = zip(table["hash"], table["reason"], strict=True) if refused else ()
        self.ledger.add(digests, artefact.path, ((d or b"", reason) for d, reason in reasons))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise DataError(
                f"{path.parent}: process {file.read(20).strip() or 'unknown'} is writing to this store; "
                "wait for it, or give another folder"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _refused_table(refused: Sequence[Refusal]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([r.id for r in refused], pa.large_string()),
            "hash": pa.array([r.digest or None for r in refused], pa.binary(32)),
            "reason": pa.array([r.reason for r in refused], pa.large_string()),
        }
    )


def _binary(digests: Digests) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(digests), [None, pa.py_buffer(digests.tobytes())])


def _sum_of(ids: IdMap, digests: Digests, refused: pa.Table, about: Mapping[str, Any]) -> str:
    total = hashlib.sha256(f"{ids.checksum} {sorted(about.items())} {refused.to_pylist()}".encode())
    total.update(digests.tobytes())
    return total.hexdigest()


def _remove(shard: Path) -> None:
    (shard / "CURRENT").unlink(missing_ok=True)  # first, so that a kill in the middle leaves an unfinished shard
    shutil.rmtree(shard, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
