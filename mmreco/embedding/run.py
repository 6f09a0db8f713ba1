"""One pass over a catalogue's content: read ahead, hashed, skipped or encoded, shard by shard."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.contents import read
from mmreco.embedding.store import Ledger, Refusal, ShardStore, packed
from mmreco.errors import DataError
from mmreco.nn.threads import probed_threads
from mmreco.prefetch import prefetch
from mmreco.protocols import Encoder, QueryEncoder

__all__ = ["Loaded", "Prepares", "Run"]

_GROUP = 8  # batches handed together to an encoder that sorts by length itself


@runtime_checkable
class Prepares(Protocol):
    """An encoder whose work on one content (decoding a picture) can be done ahead, in other threads."""

    def prepare(self, content: Any) -> Any:
        """One `content` made ready for `encode_prepared`; raises DataError when it is unusable."""

    def encode_prepared(self, batch: Sequence[Any]) -> F32:
        """Vectors of unit length, shape `(b, dim)`, of a `batch` of what `prepare` gave."""


@dataclass(frozen=True)
class Loaded:
    """A content as a reader leaves it: its digest, and what there is to encode or why there is nothing."""

    digest: bytes = b""
    reason: str = ""
    skipped: bool = False
    fresh: bool = False
    prepared: Any = None


class Run:
    """One pass over the input. The readers' threads call `_load`, everything else is the caller's thread."""

    def __init__(
        self, encoder: Encoder[Any], ids: IdMap | None, store: ShardStore | None, *, shard_size: int, batch_size: int
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
            encode = encoder.encode_document if isinstance(encoder, QueryEncoder) else encoder.encode
            self._encode = lambda batch: encode(batch, batch_size=batch_size)
            self._group = _GROUP * batch_size
        self._none = np.empty((0, encoder.dim), dtype=np.float32)
        self._names: list[str] = []  # of the items so far, where no ids are given
        self._held = bytearray()  # 32 bytes an item: the digest of its content, zeros where it has no usable one
        self._unread: dict[int, str] = {}  # row -> why its content could not even be hashed
        self._claimed: set[bytes] = set()  # contents some row of this shard brings already
        self._claims = threading.Lock()
        self._pending: list[tuple[int, Loaded]] = []  # rows and contents waiting for the encoder
        self._clear()

    def go(self, contents: Iterable[Any], workers: int) -> int:
        """Bring every content into the ledger; how many there were."""
        rows = 0
        with closing(prefetch(self._load, contents, workers, window=2 * self._batch_size)) as stream:
            for rows, loaded in enumerate(stream, start=1):
                if self._ids is not None and rows > len(self._ids):
                    raise DataError(f"more contents than the {len(self._ids)} ids; expected one content an id")
                self._take(rows - 1, loaded)
        if self._ids is not None and rows < len(self._ids):
            raise DataError(f"{rows} contents for {len(self._ids)} ids; give None where an item has none")
        self._flush()
        self._write()
        return rows

    def named(self, pairs: Iterable[tuple[str, Any]]) -> Iterator[Any]:
        """The contents of a stream whose ids come with them; an id that came before or is no text is refused."""
        seen: set[str] = set()
        for name, content in pairs:
            if not isinstance(name, str):
                raise DataError(f"id {name!r:.80} is a {type(name).__name__}; expected str, as ids are text")
            sound = name.encode(errors="backslashreplace").decode()  # a file's name need not be Unicode
            if sound != name or not name:
                content = DataError(f"the id {name!r:.80} is {'not Unicode' if name else 'empty'}")
            elif name in seen:
                content = DataError(f"the id {name!r:.80} came before in the stream")
            seen.add(name)
            self._names.append(sound)
            yield content

    def _take(self, row: int, loaded: Loaded) -> None:
        self._held += loaded.digest or bytes(32)
        if not loaded.digest and loaded.reason:
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
        digests = np.frombuffer(bytes(self._held), dtype="S32")  # (n,)
        places = self._ledger.places(digests)
        refused = []
        for row in np.flatnonzero(places < 0).tolist():
            digest = digests[row : row + 1].tobytes()
            reason = self._unread.get(row) or self._ledger.reason(digest)
            if reason:
                refused.append(Refusal(self._id(row), digest.rstrip(b"\0") and digest, reason))
        usable = np.flatnonzero(places >= 0)
        if self._ids is None:
            ids = IdMap.of([self._names[row] for row in usable.tolist()])
        else:
            ids = self._ids.take(usable) if len(usable) < len(self._ids) else self._ids
        if self._store:
            embeddings = self._store.finish(ids, digests[usable], refused)
        else:
            blocks = self._ledger.vectors(places[usable], self._encoder.dim)
            embeddings = Embeddings(ids, np.concatenate([self._none, *blocks]), self._encoder.fingerprint)
        table = {"id": [r.id for r in refused], "reason": [r.reason for r in refused]}
        schema = pa.schema([("id", pa.large_string()), ("reason", pa.large_string())])
        return embeddings, pa.table(table, schema=schema)

    def _load(self, content: Any) -> Loaded:
        """A content read, hashed and, unless its vector is there or on its way, prepared."""
        if content is None:
            return Loaded()
        if self._prepare is not None and isinstance(content, str):
            content = Path(content)  # to an encoder of files text is a path
        try:
            content, digest = read(content)
        except DataError as error:
            return Loaded(reason=str(error))
        if self._ledger.holds(digest):
            return Loaded(digest, skipped=True)
        if self._ledger.reason(digest) is not None:
            return Loaded(digest)
        with self._claims:
            if digest in self._claimed:
                return Loaded(digest)
            self._claimed.add(digest)
        if self._prepare is None:
            return Loaded(digest, fresh=True, prepared=content)
        try:
            return Loaded(digest, fresh=True, prepared=self._prepare(content))
        except DataError as error:
            return Loaded(digest, reason=str(error))

    def _flush(self) -> None:
        """Encode what is pending."""
        rows = [row for row, _ in self._pending]
        with probed_threads():
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
        return self._names[row] if self._ids is None else str(self._ids.array[row].as_py())
