"""HybridSearch: a catalogue searched by words and by meanings at once, the first answers read again if wished.

Words are exact where words are exact; meanings find what is called otherwise. Each side counts by how much of the
query it knows. Signs are weighed by a `Fusion`; a cross-encoder may read the first answers together with the query.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.feedback import feedback
from mmreco.retrieval.fusion import Candidates, Fusion
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.matches import Matches, best
from mmreco.retrieval.terms import marked, trigrams

__all__ = ["HybridSearch", "Reader"]

_READ = 30  # first answers that a reader reads
_CUT = 300  # characters of an item that a reader reads


class Reader(Protocol):
    """A model that reads query and document together, e.g. `CrossEncoder`."""

    def score(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> list[F32]:
        """How well each of `documents[q]` answers `queries[q]`, one array a query; larger is better."""


@dataclass(frozen=True, eq=False)
class HybridSearch:
    """Keyword search (BM25) and semantic search over a catalogue, combined.

    Parameters
    ----------
    catalogue : the items
    lexical : over the same items
    meanings : what the items say through text encoders, any number
    fusion : optional
    reader : optional
        Reads the first 30 answers together with the query, e.g. a `CrossEncoder`.

    Raises
    ------
    IncompatibleError
        `lexical` is over other items.
    """

    catalogue: Catalogue
    lexical: LexicalIndex
    meanings: tuple[ContentIndex, ...] = ()
    fusion: Fusion = field(default_factory=Fusion)
    reader: Reader | None = None

    def __post_init__(self) -> None:
        if self.lexical.items != self.catalogue.items:
            raise IncompatibleError(
                f"HybridSearch: words of {len(self.lexical)} items, a catalogue of {len(self.catalogue)}; "
                "build the index of this catalogue"
            )

    def search(self, queries: Sequence[str], k: int, *, where: Bool | None = None) -> Ranking:
        """The `k` best items of each query.

        Parameters
        ----------
        queries : `n` texts
        k : 1 or more
        where : shape `(n_items,)` or `(n, n_items)` of bool, optional
            Which items may be answered.

        Raises
        ------
        DataError
            A query is not a string, `k` is below 1, or `where` is not a mask over the items.
        """
        found = self.retrieve(queries, max(100, k), where=where)
        return self.rank(queries, found, k)

    def rank(self, queries: Sequence[str], candidates: Candidates, k: int) -> Ranking:
        """The `k` best of these candidates; the reader, where there is one, reads the first 30 of them.

        Parameters
        ----------
        queries : `n` texts
        candidates : of these queries, as `retrieve` gives them
        k : 1 or more

        Raises
        ------
        DataError
            `k` is below 1.
        """
        if self.reader is None:
            return self.fusion.rank(candidates, k)
        scores = self.fusion.score(candidates)
        first = self.fusion.rank(candidates, _READ).rows
        chosen = (candidates.rows[:, :, None] == first[:, None, :]).any(axis=2) & (candidates.rows >= 0)  # (n, c)
        read = self.read(
            queries, Candidates(np.where(chosen, candidates.rows, -1), candidates.features, candidates.names)
        )
        again = self.fusion.score(read)
        for query in np.flatnonzero(chosen.any(axis=1)):  # what was not read stays below what was
            others = ~chosen[query] & (candidates.rows[query] >= 0)
            drop = again[query, chosen[query]].min() - scores[query, others].max(initial=-np.inf)
            again[query, others] = scores[query, others] + min(0.0, drop - 1e-3) if others.any() else 0
        return Ranking.from_scores(again, k, rows=candidates.rows)

    def retrieve(self, queries: Sequence[str], depth: int = 100, *, where: Bool | None = None) -> Candidates:
        """The first `depth` items by words and by each meaning, with the evidence for each.

        Parameters
        ----------
        queries : `n` texts
        depth : 1 or more
            Of each source.
        where : shape `(n_items,)` or `(n, n_items)`, bool, optional
            Which items may be found, for all queries or for each.

        Raises
        ------
        DataError
            As `search`.
        """
        vectors = [meaning.encode(list(queries)) for meaning in self.meanings]
        matches = self._matches(queries)
        sides = [best(matches, depth, where=where).rows]
        sides += [
            meaning.search(asked, depth, candidates=where).rows
            for meaning, asked in zip(self.meanings, vectors, strict=True)
        ]
        rows = _distinct(np.concatenate(sides, axis=1))
        found = self._described(queries, rows, vectors, matches)
        return self._with_feedback(found) if self.fusion.weight("feedback") else found

    def describe(self, queries: Sequence[str], rows: I64) -> Candidates:
        """Given items with the evidence for each, e.g. to learn a `Fusion` from judgements.

        Parameters
        ----------
        queries : `n` texts
        rows : shape `(n, c)`
            -1 where there is none.

        Raises
        ------
        DataError
            `rows` has not `n` lines.
        """
        if rows.ndim != 2 or len(rows) != len(queries):
            raise DataError(f"rows of shape {rows.shape} for {len(queries)} queries; expected a line a query")
        vectors = [meaning.encode(list(queries)) for meaning in self.meanings]
        found = self._described(queries, np.asarray(rows, dtype=np.int64), vectors, self._matches(queries))
        return self._with_feedback(found)

    def read(self, queries: Sequence[str], candidates: Candidates) -> Candidates:
        """The `candidates` of `queries` with what the reader says of each; as they are where there is no reader."""
        if self.reader is None:
            return candidates
        documents = [[self._read(row) for row in line[line >= 0].tolist()] for line in candidates.rows]
        said = np.zeros(candidates.rows.shape, dtype=np.float32)
        for line, scores in enumerate(self.reader.score(list(queries), documents)):
            said[line, candidates.rows[line] >= 0] = scores
        return candidates.with_feature("reader", said)

    def with_fusion(self, fusion: Fusion) -> "HybridSearch":
        """The same search with the weights of `fusion`."""
        return replace(self, fusion=fusion)

    def _matches(self, queries: Sequence[str]) -> list[Matches]:
        return [self.lexical.matches(query) for query in queries]

    def _described(
        self, queries: Sequence[str], rows: I64, vectors: Sequence[F32], matches: Sequence[Matches]
    ) -> Candidates:
        lexical = np.zeros(rows.shape, dtype=np.float32)
        for line, found in enumerate(matches):
            lexical[line] = found.at(rows[line])
        share = self.lexical.vocabulary_coverage(queries)[:, None]
        signs = {
            "exact": (lexical >= 2).astype(np.float32),
            "all_words": np.asarray((lexical >= 1) & (np.floor(lexical) != 2), dtype=np.float32),
            "words": (lexical % 1) * share,
            "letters": self._letters(queries, rows),
        }
        for number, (meaning, asked) in enumerate(zip(self.meanings, vectors, strict=True)):
            coverage = meaning.coverage(list(queries))[:, None]
            signs[f"meaning{number or ''}"] = self._standing(number, asked, rows) * coverage
        return Candidates(rows, np.stack(list(signs.values()), axis=2), tuple(signs))

    def _with_feedback(self, candidates: Candidates) -> Candidates:
        """The candidates with how much each is like the first of them, which are so by the weights nobody taught."""
        if not self.meanings:
            return candidates
        return candidates.with_feature("feedback", feedback(self.meanings, candidates.rows, Fusion().score(candidates)))

    def _standing(self, number: int, asked: F32, rows: I64) -> F32:
        """By how many standard deviations each item's cosine exceeds what the query has with items at large."""
        mean, spread = self.meanings[number].usual(asked)
        cosines, there = self.meanings[number].cosines(asked, rows)
        return np.where(there, (cosines - mean[:, None]) / spread[:, None], 0).astype(np.float32)

    def _letters(self, queries: Sequence[str], rows: I64) -> F32:
        """The share of each query's three-letter pieces that an item's title holds, shape `(n, c)`."""
        out = np.zeros(rows.shape, dtype=np.float32)
        asked = [trigrams(query) for query in queries]
        distinct = np.unique(rows[rows >= 0])
        if not len(distinct) or "title" not in self.catalogue.table.column_names:
            return out
        written = self.catalogue.table["title"]  # one by one: `take` puts the parts of a column together first
        titles = [marked(str(written[row].as_py() or "")) for row in distinct.tolist()]
        for line, pieces in enumerate(asked):
            if pieces:
                own = np.flatnonzero(rows[line] >= 0)
                places = np.searchsorted(distinct, rows[line, own]).tolist()
                held = [[piece in titles[place] for piece in pieces].count(True) for place in places]
                out[line, own] = np.array(held, dtype=np.float32) / len(pieces)
        return out

    def _read(self, row: int) -> str:
        """What a reader reads of an item: its title, or its text where it has none."""
        return (self._written("title", row) or self._written("text", row))[:_CUT]

    def _written(self, column: str, row: int) -> str:
        if column not in self.catalogue.table.column_names:
            return ""
        return str(self.catalogue.table[column][row].as_py() or "")


def _distinct(rows: I64) -> I64:
    """Each line's rows once, increasing, -1 behind, shape `(n, most)`."""
    lines = [np.unique(line[line >= 0]) for line in rows]
    out = np.full((len(lines), max([len(line) for line in lines], default=0)), -1, dtype=np.int64)
    for number, line in enumerate(lines):
        out[number, : len(line)] = line
    return out
