"""The same promise on Milvus: vectors in, ranking out, for catalogues beyond one machine.

Parquet stays the truth: a collection is built from `Embeddings`, counted and compared with an exact search, and only
then does the alias move to it, so readers see the old catalogue or the new one and never half of one. Say
`pip install 'mmreco[milvus]'`; a path ending in `.db` instead of a server's address opens milvus-lite here.
"""

import secrets

import numpy as np

from mmreco.arguments import require_width
from mmreco.arrays import F32, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.arguments import excluded_pairs, mask_over, query_vectors, require_embeddings
from mmreco.index.milvus import collection
from mmreco.index.milvus.filter import NONE, to_milvus
from mmreco.index.query import QueryBatch

__all__ = ["MilvusIndex"]

_WIDEST = 16_384  # answers a query, Milvus' own limit


class MilvusIndex:
    """A collection in Milvus that answers with the rows of `ids`.

    Parameters
    ----------
    ids : the items, as they were when `build` made the collection
    uri : a server's address, or a path ending in `.db`
    name : the alias `build` was given

    Raises
    ------
    MissingExtraError
        pymilvus is not installed.
    DataError
        There is no such collection.
    IncompatibleError
        The collection is over other items.
    ConnectionError
        The server cannot be reached.

    Attributes
    ----------
    columns : the type in Milvus of each field an expression may name
    """

    def __init__(self, ids: IdMap, uri: str, name: str = "items") -> None:
        self.ids = ids
        self.name = name
        self._client = collection.connected(uri)
        with collection.reached():
            stored = collection.current(self._client, name)
            if not stored:
                raise DataError(f"{uri}: no collection under the alias {name!r}; say MilvusIndex.build(...) first")
            about = self._client.describe_collection(stored)
            if not collection.holds(self._client, stored, ids):
                raise IncompatibleError(f"{uri}: {name!r} is over other items than these {len(ids)}; build it again")
            self.dim = next(int(f["params"]["dim"]) for f in about["fields"] if f["name"] == "vector")
            self.columns = {f["name"]: f["type"].name for f in about["fields"] if f["name"] not in ("row", "vector")}

    @classmethod
    def build(
        cls,
        embeddings: Embeddings,
        uri: str,
        name: str = "items",
        *,
        catalogue: Catalogue | None = None,
        index_type: str = "FLAT",
        least: float = 0.95,
    ) -> "MilvusIndex":
        """A new collection of these vectors, verified, to which the alias `name` then points.

        Parameters
        ----------
        embeddings : `n` vectors with their ids
        uri : the address of a server, or a path ending in `.db` for milvus-lite
        name : of the alias; letters, digits and underscores
        catalogue : optional
            Its columns of text, numbers and truth values are stored beside the vectors, for Milvus' own filters.
        index_type : of Milvus, e.g. "FLAT" (exact) or "HNSW"
        least : recall@10 on a sample below which the alias stays where it was

        Raises
        ------
        MissingExtraError
            pymilvus is not installed.
        DataError
            `name` is none Milvus takes, an id is too long, or what was stored is not what was sent: the count or the
            recall falls short, and the collection is dropped again.
        IncompatibleError
            `catalogue` has columns, and the server is older than 2.5.
        ConnectionError
            The server cannot be reached.
        """
        require_embeddings("MilvusIndex.build", embeddings)
        if not isinstance(name, str) or not collection.NAME.fullmatch(name):
            raise DataError(f"name={name!r}: expected letters, digits and _, not beginning with a digit")
        client = collection.connected(uri)
        with collection.reached():
            fresh = f"{name}_g{secrets.randbits(48)}"  # no other process that builds the same takes this name
            columns = {} if catalogue is None else collection.filter_columns(catalogue, embeddings.ids)
            try:
                collection.create(client, fresh, embeddings, columns, index_type)
                collection.fill(client, fresh, embeddings, columns)
                collection.verify(client, fresh, embeddings, least)
                old = collection.current(client, name)
                move = client.alter_alias if old else client.create_alias
                move(fresh, name)
            except BaseException:
                client.drop_collection(fresh)
                raise
            if old:
                client.drop_collection(old)
        return cls(embeddings.ids, uri, name)

    def __len__(self) -> int:
        return len(self.ids)

    def search(
        self, queries: F32, k: int, *, where: Bool | str | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each query by inner product, best first; see `VectorIndex.search`.

        Parameters
        ----------
        queries, k, exclude : as `VectorIndex.search`
        where : a mask over the items, or one line a query, or an expression over `columns`
            Milvus filters by an expression in the language of `mmreco.filters.parser` itself; of a mask it is sent
            the rows, which a large catalogue has too many of.

        Raises
        ------
        DataError
            `queries` is not `(n, dim)` or holds NaN or infinity, `k` is not a width, `where` is neither such a mask nor
            such an expression, `exclude` has not `n` users, or more than 16,384 answers a query would be needed.
        IncompatibleError
            `exclude` is over other items.
        ConnectionError
            The server cannot be reached.
        """
        k = require_width(k, len(self))
        queries = query_vectors(queries, self.dim)
        mask = None if isinstance(where, str) else mask_over(len(self), len(queries), where)
        batch = QueryBatch(queries, mask, excluded_pairs(exclude, len(queries), self.ids, mask), len(self))
        most = int(batch.n_excluded.max(initial=0))
        wide = min(len(self), k + most)
        if wide > _WIDEST:
            raise DataError(f"k={k} and {most} exclusions: Milvus answers at most {_WIDEST} a query; ask for fewer")
        rows = np.full((len(queries), wide), -1, dtype=np.int64)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        if wide and isinstance(where, str):
            expression = to_milvus(where, self.columns)
            collection.answers(self._client, self.name, queries, wide, expression, rows, scores)
        elif wide:
            for lines, group in batch.by_filter() if batch.own_filters else [(np.arange(len(batch)), batch)]:
                part, part_scores = rows[lines], scores[lines]
                expression = _expression(group.where)
                collection.answers(self._client, self.name, group.queries, wide, expression, part, part_scores)
                rows[lines], scores[lines] = part, part_scores
        batch.excluded.strike(rows)
        return Ranking.from_scores(scores, k, rows=rows)


def _expression(where: Bool | None) -> str:
    """A mask as an expression: the rows it allows, or those it does not, whichever are fewer."""
    if where is None or where.all():
        return ""
    if not where.any():
        return NONE
    fewer = np.count_nonzero(where) * 2 <= len(where)
    rows = np.flatnonzero(where if fewer else ~where)
    return f"row {'in' if fewer else 'not in'} [{','.join(map(str, rows))}]"
