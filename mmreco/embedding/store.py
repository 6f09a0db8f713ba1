"""ShardStore: the vectors of a long embedding run, safe from a kill at any moment.

A store is an artefact (`mmreco.storage.artefact`) of embeddings with a journal beside it::

    store/
      CURRENT, g-000003/   the result of the last complete run, what `Embeddings.load(store)` gives
        manifest.json        SHA-256 of each file; fingerprint, dim, dtype
        vectors.npy          row r is the vector of
        rows.parquet         row r: id, hash (SHA-256 of the content)
        refused.parquet      id, hash (null where nothing could be read), reason
      shards/shard-000012/ what the run in progress has done so far; each an artefact of the same files

One writer at a time holds the folder's lock (`mmreco.storage.lock`). A shard is written whole or not at all, and so
is the result; once the result holds them, the shards go. Vectors are found by the hash of their content, never by
place or id, so that neither the order of the input nor a renamed id costs a second encoding. While a run is
unfinished the old result answers.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mmreco.arguments import path_of
from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings, read_vectors, write_rows
from mmreco.data.ids import IdMap
from mmreco.errors import DataError
from mmreco.storage.artefact import Artefact, current, open_artefact, publish, retire
from mmreco.storage.generation import generations, leftovers, remove, sync_folder
from mmreco.storage.lock import hold

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
        stored = self.digests()
        if not len(stored):
            return np.full(len(digests), -1, dtype=np.int64)
        order = np.argsort(stored, kind="stable")
        at = np.minimum(np.searchsorted(stored, digests, sorter=order), len(stored) - 1)
        return np.where(stored[order[at]] == digests, order[at], -1)

    def vectors(self, places: I64, dim: int) -> Iterator[F32]:
        """The vectors at these places, in blocks of shape `(b, dim)`."""
        starts = np.cumsum([0, *(len(d) for d in self._digests)])
        step = max(1, _BLOCK // dim)
        for start in range(0, len(places), step):
            block = places[start : start + step]  # (b,)
            sources = np.searchsorted(starts, block, side="right") - 1  # (b,)
            out = np.empty((len(block), dim), dtype=np.float32)
            for source in np.unique(sources):
                vectors = self._sources[source]
                mine = sources == source
                rows = block[mine] - starts[source]
                out[mine] = read_vectors(vectors, rows) if isinstance(vectors, Path) else vectors[rows]
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
        self._enter_result()
        self._shards.mkdir(exist_ok=True)
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
        top = path_of("folder", folder)
        _require_store(top)
        with _writing(top):
            top.mkdir(parents=True, exist_ok=True)
        with hold(top, nested=False):
            with _writing(top):
                store = cls(top, fingerprint=fingerprint, dim=dim, dtype=dtype)
            yield store

    def append(self, ids: Sequence[str], digests: Sequence[bytes], vectors: F32, refused: Sequence[Refusal]) -> None:
        """Write a shard: `vectors`, shape `(n, dim)`, of `n` contents, and the contents that were refused."""
        numbers = [int(m[1]) for path in self._shards.iterdir() if (m := _NAME.fullmatch(path.name))]
        shard = self._shards / f"shard-{max(numbers, default=0) + 1:06d}"
        with _writing(self._top):
            shard.mkdir()
            sync_folder(self._shards)
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
            with publish(self._top, _KIND, about, beside=("shards",), locked=True) as path:
                columns = {"id": ids.array, "hash": _binary(digests)}
                self._write(path, columns, self.ledger.vectors(places, self._dim), table)
            self._result = result
        for shard in self._shards.iterdir():
            _remove(shard)
        return Embeddings.load(self._top)

    def _write(self, path: Path, columns: Mapping[str, pa.Array], blocks: Iterable[F32], refused: pa.Table) -> None:
        write_rows(path, columns, blocks, dim=self._dim, fingerprint=self._fingerprint, dtype=self._dtype)
        pq.write_table(refused, path / "refused.parquet")

    def _sweep(self) -> None:
        """Remove what a kill left half done."""
        retire(self._top, current(self._top))
        for shard in self._shards.iterdir():
            if not (shard / "CURRENT").exists():
                _remove(shard)

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
        if (artefact.path / "refused.parquet").exists():  # not so after a plain Embeddings.save
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
def _writing(top: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{top}: cannot be written ({error.strerror or error}); what is there still counts") from error


def _require_store(top: Path) -> None:
    """Nothing, or an error if `top` is neither new nor empty nor a store, found before anything is written."""
    if not os.path.lexists(top):
        return
    if not top.is_dir():
        raise DataError(f"{top} exists and is not a store of embeddings; choose a new or empty folder")
    shards = top / "shards"
    if os.path.lexists(shards):
        odd = shards if shards.is_symlink() or not shards.is_dir() else _first_foreign(shards)
        if odd is not None:
            raise DataError(f"{odd}: not mmreco's, or a link, where a store keeps its shards; choose a new folder")
    own = {top / "shards", *generations(top), *leftovers(top, None)}
    if not os.path.lexists(top / "CURRENT") and any(path not in own for path in top.iterdir()):
        raise DataError(f"{top} exists and is not a store of embeddings; choose a new or empty folder")


def _first_foreign(shards: Path) -> Path | None:
    """Something in the folder of shards that is no shard, not even one that a kill left half done."""
    for path in sorted(shards.iterdir()):
        if path.is_symlink() or not path.is_dir() or not _NAME.fullmatch(path.name):
            return path
        own = {"CURRENT", *(part.name for part in [*generations(path), *leftovers(path, None)])}
        foreign = [part for part in path.iterdir() if part.name not in own or part.is_symlink()]
        if foreign:
            return foreign[0]
    return None


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
    with suppress(OSError):
        (shard / "CURRENT").unlink(missing_ok=True)  # first, so that a kill in the middle leaves an unfinished shard
        for part in leftovers(shard, None):
            remove(part)
        shard.rmdir()
