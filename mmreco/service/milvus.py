"""The items' vectors in Milvus: one collection a set of vectors, which all processes over an artefact share."""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress

from mmreco.data.embeddings import Embeddings
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.milvus import MilvusIndex
from mmreco.protocols import Searches

__all__ = ["in_milvus"]

_ATTEMPTS = 3  # to open or to build, where other processes do the same at this moment
_EXACT_UP_TO = 100_000  # items; from there on an approximate index, whose recall is measured when it is built


def in_milvus(uri: str) -> Callable[[str, Embeddings], Searches]:
    """What makes an index of vectors at this Milvus: the collection that has them, or a new one.

    Parameters
    ----------
    uri : a server's address, or a path ending in `.db` for milvus-lite
    """

    def index(kind: str, embeddings: Embeddings) -> Searches:
        digest = hashlib.sha256(embeddings.ids.checksum.encode() + embeddings.vectors.tobytes()).hexdigest()
        name = f"mmreco_{re.sub(r'[^a-z0-9]', '_', kind.lower())}_{digest[:24]}"
        index_type = "FLAT" if len(embeddings) <= _EXACT_UP_TO else "HNSW"
        for _ in range(_ATTEMPTS - 1):
            with suppress(DataError, IncompatibleError):  # there is none yet
                return MilvusIndex(embeddings.ids, uri, name)
            with suppress(DataError, IncompatibleError):  # another process builds it as well
                return MilvusIndex.build(embeddings, uri, name, index_type=index_type)
        return MilvusIndex.build(embeddings, uri, name, index_type=index_type)

    return index
