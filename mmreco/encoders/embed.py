"""embed(): a catalogue's content becomes Embeddings; streaming, resumable, and never stopped by a bad file."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.shards import Ledger, Refusal, ShardStore, packed
from mmreco.encoders.contents import ahead, read
from mmreco.errors import DataError
from mmreco.progress import progress as progress_bar
from mmreco.protocols import Encoder

__all__ = ["Embedded", "Prepares", "embed", "folder_pictures"]

_GROUP = 8  # batches handed together to an encoder that sorts by length itself
_logger = logging.getLogger(__name__)


@runtime_checkable
class Prepares(Protocol):
    """An encoder whose work on one content (decoding a picture) can be done ahead, in other threads."""

    def prepare(self, content: Any) -> Any:
        """The content made ready for `encode_prepared`; raises DataError when it is unusable."""

    def encode_prepared(self, batch: Sequence[Any]) -> F32:
        """Vectors of unit length, shape `(len(batch), dim)`, of what `prepare` gave."""


@dataclass(frozen=True, eq=False, repr=False)
class Embedded:
    """What `embed` did.

    Parameters
    ----------
    embeddings : Embeddings
        The items that have a vector, in the order of the input.
    refused : Arrow table of `id`, `reason`
        The items whose content is unusable, in the order of the input.
    embedded : items whose vector was made by this run
    skipped : items whose vector the store had already
    seconds : how long the run took
    """

    embeddings: Embeddings
    refused: pa.Table
    embedded: int
    skipped: int
    seconds: float

    def __repr__(self) -> str:
        return f"Embedded({self.embedded} embedded, {self.skipped} skipped, {self.refused.num_rows} refused)"


def embed(
    encoder: Encoder[Any],
    ids: IdMap,
    contents: Iterable[Any],
    *,
    store: str | Path | None = None,
    shard_size: int = 1024,
    batch_size: int = 64,
    workers: int | None = None,
    progress: bool = False,
) -> Embedded:
    """Every item's content as a vector, kept in `store`, so that a later run does only what is new.

    An unusable content never stops the job: its item goes to the table of the refused, with the reason.
    With a store the run may be killed at any moment and started again: at most one shard is done twice,
    and the store answers with its last complete run until the new one is complete.

    Parameters
    ----------
    encoder : Encoder
        One that `Prepares` has its pictures decoded ahead of it by `workers` threads.
    ids : `n` items
    contents : `n` contents, read once; a generator will do
        Text as `str`, a file as `Path` (or, for an encoder that `Prepares`, as `str`), a file's content as
        `bytes`; None where the item has none, which is neither a vector nor a refusal.
    store : folder, optional
        Made when missing. Vectors are found again by the SHA-256 of the content under the encoder's
        fingerprint, so new ids or another order cost nothing; items no longer given are dropped. With
        another encoder all is embedded again. Without a store everything is held in memory.
    shard_size : 1 or more
        Contents written at a time.
    batch_size : 1 or more
        Contents the encoder works on at a time.
    workers : threads that read and prepare ahead, optional
        0 for none. By default one a core for an encoder that `Prepares`, none otherwise.

    Raises
    ------
    DataError
        There are more or fewer contents than ids, an option is out of range, the encoder gives vectors of
        another shape than it says, `store` holds something else, is damaged or being written to, or every
        content is refused where the store has vectors (a folder not mounted, say); it keeps them.
    IncompatibleError
        `store` holds another kind of artefact.

    Notes
    -----
    Refused are: files that cannot be read, are no plain file or hold more than 256 MiB; texts that are empty,
    not Unicode or longer than 1,000,000 characters; what the encoder refuses with a DataError; and
    contents whose vector is not finite. What a complete run refused, the next one tries again. A file is
    handed to the encoder as its bytes, so that what is hashed is what is encoded.

    Examples
    --------
    >>> from mmreco import LexicalEncoder
    >>> titles = ["red dress", "blue dress", "  ", None]
    >>> encoder = LexicalEncoder(dim=2).fit(titles[:2])
    >>> done = embed(encoder, IdMap.of(["a", "b", "c", "d"]), titles)
    >>> done.embeddings.ids.ids([0, 1]), done.refused.to_pylist()
    (['a', 'b'], [{'id': 'c', 'reason': 'empty text'}])
    """
    for name, value in (("shard_size", shard_size), ("batch_size", batch_size)):
        if value < 1:
            raise DataError(f"{name}={value}: expected 1 or more")
    if workers is None:
        workers = _cores() if isinstance(encoder, Prepares) else 0
    if workers < 0:
        raise DataError(f"workers={workers}: expected 0 or more")
    if isinstance(contents, Sequence) and len(contents) != len(ids):
        raise DataError(f"{len(contents)} contents for {len(ids)} ids; give None where an item has none")
    started = perf_counter()
    opened: AbstractContextManager[ShardStore | None] = nullcontext()
    if store is not None:
        opened = ShardStore.open(store, fingerprint=encoder.fingerprint, dim=encoder.dim)
    with opened as shards:
        run = _Run(encoder, ids, shards, shard_size=shard_size, batch_size=batch_size)
        shown = progress_bar(contents, total=len(ids), description="embedding", shown=progress)
        run.go(shown, workers)
        embeddings, refused = run.end()
    seconds = perf_counter() - started
    done = Embedded(embeddings, refused, len(embeddings) - run.skipped, run.skipped, seconds)
    level = logging.WARNING if refused.num_rows else logging.INFO
    _logger.log(
        level,
        "%d items: %d embedded, %d skipped, %d refused%s, %.1f s",
        len(ids),
        done.embedded,
        done.skipped,
        refused.num_rows,
        f" (first {refused['id'][0].as_py()!r}: {refused['reason'][0].as_py()})" if refused.num_rows else "",
        seconds,
    )
    return done


def folder_pictures(folder: str | Path) -> tuple[IdMap, list[Path]]:
    """The pictures of a folder, sorted by name, and their ids: the files' names without the ending.

    Every plain file counts, whatever its ending, so that a foreign one is refused by name and not overlooked;
    only hidden files and folders are passed over.

    Raises
    ------
    DataError
        There is no such folder, it has no files, two files have one id (both are named), or a name is not Unicode.
    """
    top = Path(folder)
    if not top.is_dir():
        raise DataError(f"{top}: no such folder of pictures")
    paths = sorted(path for path in top.iterdir() if not path.name.startswith(".") and not path.is_dir())
    if not paths:
        raise DataError(f"{top}: no files in it; pictures are looked for in the folder itself, not below")
    owners: dict[str, Path] = {}
    for path in paths:
        other = owners.setdefault(path.stem, path)
        if other is not path:
            raise DataError(f"{top}: {other.name!r} and {path.name!r} both have the id {path.stem!r}; rename one")
        if any("\ud800" <= letter <= "\udfff" for letter in path.stem):
            raise DataError(f"{top}: the name {path.name!r} is not Unicode and can be no id; rename the file")
    return IdMap.of(list(owners)), paths


@dataclass(frozen=True)
class _Loaded:
    """A content as a reader leaves it: its digest, and what there is to encode or why there is nothing."""

    digest: bytes = b""
    reason: str = ""
    skipped: bool = False
    fresh: bool = False
    prepared: Any = None


class _Run:
    """One pass over the input. The readers' threads call `_load`, everything else is the caller's thread."""

    def __init__(
        self, encoder: Encoder[Any], ids: IdMap, store: ShardStore | None, *, shard_size: int, batch_size: int
    ) -> None:
        self.skipped = 0
        self._encoder, self._ids, self._store = encoder, ids, store
        self._ledger = store.ledger if store else Ledger()
        self._shard_size, self._batch_size = shard_size, batch_size
        self._prepare: Callable[[Any], Any] | None = None
        self._encode: Callable[[Sequence[Any]], F32]
        if isinstance(encoder, Prepares):
            self._prepare, self._encode, self._group = encoder.prepare, encoder.encode_prepared, batch_size
        else:
            self._encode = lambda batch: encoder.encode(batch, batch_size=batch_size)
            self._group = _GROUP * batch_size
        self._none = np.empty((0, encoder.dim), dtype=np.float32)
        self._digests = np.zeros(len(ids), dtype="S32")  # of each item's content, empty where it has no usable one
        self._unread: dict[int, str] = {}  # row -> why its content could not even be hashed
        self._claimed: set[bytes] = set()  # contents some row of this shard brings already
        self._claims = threading.Lock()
        self._pending: list[tuple[int, _Loaded]] = []  # rows and contents waiting for the encoder
        self._clear()

    def go(self, contents: Iterable[Any], workers: int) -> None:
        """Bring every content into the ledger."""
        rows = 0
        with closing(ahead(self._load, contents, workers, window=2 * self._batch_size)) as stream:
            for rows, loaded in enumerate(stream, start=1):
                if rows > len(self._ids):
                    raise DataError(f"more contents than the {len(self._ids)} ids")
                self._take(rows - 1, loaded)
        if rows < len(self._ids):
            raise DataError(f"{rows} contents for {len(self._ids)} ids; give None where an item has none")
        self._flush()
        self._write()

    def _take(self, row: int, loaded: _Loaded) -> None:
        if loaded.digest:
            self._digests[row] = loaded.digest
        elif loaded.reason:
            self._unread[row] = loaded.reason
        self.skipped += loaded.skipped
        if loaded.fresh:
            self._pending.append((row, loaded))
        elif loaded.digest and loaded.reason:
            self._refused.append(Refusal(self._id(row), loaded.digest, loaded.reason))
        full = len(self._rows) + len(self._refused) + len(self._pending) >= self._shard_size
        if full or len(self._pending) == self._group:
            self._flush()
        if full:
            self._write()

    def end(self) -> tuple[Embeddings, pa.Table]:
        """The result, with the table of the refused; with a store both are published there."""
        places = self._ledger.places(self._digests)
        refused = []
        for row in np.flatnonzero(places < 0).tolist():
            digest = self._digests[row : row + 1].tobytes()
            reason = self._unread.get(row) or self._ledger.reason(digest)
            if reason:
                refused.append(Refusal(self._id(row), digest.rstrip(b"\0") and digest, reason))
        kept = np.flatnonzero(places >= 0)
        ids = self._ids.take(kept) if len(kept) < len(self._ids) else self._ids
        if self._store:
            embeddings = self._store.finish(ids, self._digests[kept], refused)
        else:
            blocks = self._ledger.vectors(places[kept], self._encoder.dim)
            embeddings = Embeddings(ids, np.concatenate([self._none, *blocks]), self._encoder.fingerprint)
        table = {"id": [r.id for r in refused], "reason": [r.reason for r in refused]}
        schema = pa.schema([("id", pa.large_string()), ("reason", pa.large_string())])
        return embeddings, pa.table(table, schema=schema)

    def _load(self, content: Any) -> _Loaded:
        """A content read, hashed and, unless its vector is there or on its way, prepared."""
        if content is None:
            return _Loaded()
        if self._prepare is not None and isinstance(content, str):
            content = Path(content)  # to an encoder of files text is a path
        try:
            content, digest = read(content)
        except DataError as error:
            return _Loaded(reason=str(error))
        if self._ledger.holds(digest):
            return _Loaded(digest, skipped=True)
        if self._ledger.reason(digest) is not None:
            return _Loaded(digest)
        with self._claims:
            if digest in self._claimed:
                return _Loaded(digest)
            self._claimed.add(digest)
        if self._prepare is None:
            return _Loaded(digest, fresh=True, prepared=content)
        try:
            return _Loaded(digest, fresh=True, prepared=self._prepare(content))
        except DataError as error:
            return _Loaded(digest, reason=str(error))

    def _flush(self) -> None:
        """Encode what is pending."""
        rows = [row for row, _ in self._pending]
        vectors, reasons = self._vectors([loaded.prepared for _, loaded in self._pending])
        for at, reason in sorted(reasons.items()):
            self._refused.append(Refusal(self._id(rows[at]), self._pending[at][1].digest, reason))
        good = [at for at in range(len(rows)) if at not in reasons]
        self._rows += [rows[at] for at in good]
        self._shard += [self._pending[at][1].digest for at in good]
        self._vectors_held.append(vectors)
        self._pending = []

    def _vectors(self, contents: list[Any]) -> tuple[F32, dict[int, str]]:
        """The vectors of those that have one, in order, and why the others have none; offenders found by halving."""
        if not contents:
            return self._none, {}
        try:
            vectors = np.asarray(self._encode(contents), dtype=np.float32)
        except DataError as error:
            if len(contents) == 1:
                return self._none, {0: str(error)}
            half = len(contents) // 2
            first, reasons = self._vectors(contents[:half])
            second, more = self._vectors(contents[half:])
            return np.concatenate([first, second]), reasons | {half + at: reason for at, reason in more.items()}
        if vectors.shape != (len(contents), self._encoder.dim):
            raise DataError(
                f"the encoder gave vectors of shape {vectors.shape} for {len(contents)} contents; "
                f"expected ({len(contents)}, {self._encoder.dim})"
            )
        finite = np.isfinite(vectors).all(axis=1)  # (n,)
        return vectors[finite], {int(at): "its vector holds NaN or infinity" for at in np.flatnonzero(~finite)}

    def _write(self) -> None:
        """Close the shard: to the store, or to memory."""
        if self._rows or self._refused:
            vectors = np.concatenate(self._vectors_held)
            if self._store:
                self._store.append([self._id(row) for row in self._rows], self._shard, vectors, self._refused)
            else:
                self._ledger.add(packed(self._shard), vectors, ((r.digest, r.reason) for r in self._refused))
        self._clear()

    def _clear(self) -> None:
        self._rows: list[int] = []
        self._shard: list[bytes] = []  # digests of the rows
        self._vectors_held: list[F32] = [self._none]
        self._refused: list[Refusal] = []
        with self._claims:
            self._claimed.clear()

    def _id(self, row: int) -> str:
        return str(self._ids.array[row].as_py())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
