"""Encoders that hash: each content has a vector of its own, at no cost. For tests of what embeds and stores."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmreco.data.ids import IdMap
from mmreco.embedding.embed import EmbedResult
from mmreco.errors import DataError

DIM = 8


def hashed(content: str | bytes) -> np.ndarray:
    """A unit vector that only this content has, shape `(DIM,)`."""
    data = content.encode() if isinstance(content, str) else content
    raw = np.frombuffer(hashlib.blake2b(data, digest_size=2 * DIM).digest(), dtype=np.int16).astype(np.float32)
    return raw / np.linalg.norm(raw)


@dataclass
class HashedTexts:
    """Text in, its hash out. A text with BAD in it is refused, one with NAN gets a vector of NaN."""

    fingerprint: str = "texts"
    dim: int = DIM
    seen: list[str] = field(default_factory=list)
    calls: int = 0

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        self.calls += 1
        bad = [content for content in contents if "BAD" in content]
        if bad:
            raise DataError(f"cannot read {bad[0]!r}")
        self.seen += contents
        vectors = np.stack([hashed(content) for content in contents])
        vectors[["NAN" in content for content in contents]] = np.nan
        return vectors


@dataclass
class HashedPictures:
    """Bytes in, their hash out, in two steps. BAD is refused by the first, ODD by the second."""

    fingerprint: str = "pictures"
    dim: int = DIM
    seen: list[bytes] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    def encode(self, contents: Sequence[Any], *, batch_size: int = 64) -> np.ndarray:
        raise AssertionError("the prepared way is to be taken")

    def prepare(self, content: bytes) -> bytes:
        self.threads.add(threading.current_thread().name)
        if b"BAD" in content:
            raise DataError("no picture")
        return content

    def encode_prepared(self, batch: Sequence[bytes]) -> np.ndarray:
        self.batches.append(len(batch))
        if any(b"ODD" in content for content in batch):
            raise DataError("odd")
        self.seen += batch
        return np.stack([hashed(content) for content in batch])


def names(n: int) -> IdMap:
    return IdMap.of([f"sku-{row}" for row in range(n)])


def texts(n: int) -> list[str]:
    return [f"title {row}" for row in range(n)]


def assert_each_has_its_own(done: EmbedResult, ids: IdMap, contents: Sequence[Any]) -> None:
    """Every vector is that of its own item's content, and the order is the input's."""
    of = dict(zip(ids.array.to_pylist(), contents, strict=True))
    got = done.embeddings.ids.array.to_pylist()
    assert got == [name for name in of if name in set(got)]
    if got:
        np.testing.assert_array_equal(done.embeddings.vectors, np.stack([hashed(of[name]) for name in got]))
