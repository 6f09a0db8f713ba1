"""embed(): a catalogue's content becomes Embeddings; streaming, resumable, and never stopped by a bad file."""

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import pyarrow as pa

from mmreco.data.embeddings import DTYPES, Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.run import Prepares, Run
from mmreco.embedding.sources import folder_pictures
from mmreco.embedding.store import ShardStore
from mmreco.errors import DataError
from mmreco.progress import progress as progress_bar
from mmreco.protocols import Encoder

__all__ = ["EmbedResult", "Prepares", "embed", "embed_stream", "folder_pictures"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class EmbedResult:
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
        return f"EmbedResult({self.embedded} embedded, {self.skipped} skipped, {self.refused.num_rows} refused)"


def embed(
    encoder: Encoder[Any],
    ids: IdMap,
    contents: Iterable[Any],
    *,
    store: str | Path | None = None,
    shard_size: int = 1024,
    batch_size: int = 64,
    workers: int | None = None,
    dtype: str = "float32",
    progress: bool = False,
) -> EmbedResult:
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
        `bytes`, or anything with a `read()` that gives bytes or raises DataError; None where the item has none,
        which is neither a vector nor a refusal.
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
    dtype : "float32", "float16" or "int8", optional
        How the store keeps a number: in 4, 2 or 1 bytes (int8 with a scale a vector). `Embeddings` are float32 always.
        Cosines to what was encoded: above 0.99999 for float16; for int8 about `1 - dim * m**2 / 387_000`, where `m` is
        the largest number of a unit vector: 0.9998 to 0.9999 for the encoders measured, less where one number stands
        out.
    progress : optional
        Whether a bar is shown.

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
    if not isinstance(contents, Iterable):
        raise DataError(f"contents: {contents!r:.80}; expected a list, e.g. catalogue.texts() or catalogue.images()")
    if isinstance(contents, Sequence) and len(contents) != len(ids):
        raise DataError(f"{len(contents)} contents for {len(ids)} ids; give None where an item has none")
    settings = _Settings(store, shard_size, batch_size, workers, dtype, progress)
    return _embedded(encoder, ids, contents, settings)


def embed_stream(
    encoder: Encoder[Any],
    pairs: Iterable[tuple[str, Any]],
    *,
    store: str | Path | None = None,
    shard_size: int = 1024,
    batch_size: int = 64,
    workers: int | None = None,
    dtype: str = "float32",
    progress: bool = False,
) -> EmbedResult:
    """As `embed`, for a stream in which each content comes with its id, of whatever length.

    Parameters
    ----------
    pairs : ids and contents, read once
        E.g. `tar_contents(archives)`. Of an id that comes twice the first content counts, the other is refused.
        Memory holds some 150 bytes an item, and of the contents what `workers` and a batch have in hand.
    encoder, store, shard_size, batch_size, workers, dtype, progress : as `embed` takes them

    Raises
    ------
    DataError
        As `embed`.
    IncompatibleError
        As `embed`.

    Examples
    --------
    >>> from mmreco import LexicalEncoder
    >>> encoder = LexicalEncoder(dim=2).fit(["red dress", "blue dress"])
    >>> embed_stream(encoder, (pair for pair in [("a", "red dress"), ("b", "blue dress")])).embeddings
    Embeddings(2 x 2)
    """
    settings = _Settings(store, shard_size, batch_size, workers, dtype, progress)
    return _embedded(encoder, None, pairs, settings)


class _Settings(NamedTuple):
    store: str | Path | None
    shard_size: int
    batch_size: int
    workers: int | None
    dtype: str
    progress: bool


def _embedded(encoder: Encoder[Any], ids: IdMap | None, contents: Iterable[Any], settings: _Settings) -> EmbedResult:
    for name, value in (("shard_size", settings.shard_size), ("batch_size", settings.batch_size)):
        if value < 1:
            raise DataError(f"{name}={value}: expected 1 or more")
    workers = settings.workers
    if workers is None:
        workers = _cores() if isinstance(encoder, Prepares) else 0
    if workers < 0:
        raise DataError(f"workers={workers}: expected 0 or more")
    if settings.dtype not in DTYPES:
        raise DataError(f"dtype={settings.dtype!r}: expected one of {', '.join(DTYPES)}")
    started = perf_counter()
    opened: AbstractContextManager[ShardStore | None] = nullcontext()
    if settings.store is not None:
        opened = ShardStore.open(settings.store, fingerprint=encoder.fingerprint, dim=encoder.dim, dtype=settings.dtype)
    with opened as shards:
        run = Run(encoder, ids, shards, shard_size=settings.shard_size, batch_size=settings.batch_size)
        total = None if ids is None else len(ids)
        shown = progress_bar(contents, total=total, description="embedding", shown=settings.progress)
        rows = run.go(run.named(shown) if ids is None else shown, workers)
        embeddings, refused = run.end()
    seconds = perf_counter() - started
    done = EmbedResult(embeddings, refused, len(embeddings) - run.skipped, run.skipped, seconds)
    level = logging.WARNING if refused.num_rows else logging.INFO
    _logger.log(
        level,
        "%d items: %d embedded, %d skipped, %d refused%s, %.1f s",
        rows,
        done.embedded,
        done.skipped,
        refused.num_rows,
        f" (first {refused['id'][0].as_py()!r}: {refused['reason'][0].as_py()})" if refused.num_rows else "",
        seconds,
    )
    return done


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
