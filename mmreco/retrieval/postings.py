"""Postings: which items hold a term, and how much each is worth: BM25 over fields, summed before it saturates.

Robertson, Zaragoza, Taylor, "Simple BM25 extension to multiple weighted fields", 2004: the counts of a term are
weighed and normalised by length in each field, summed, and only then saturated, so that a word in the title and in
the text is not two proofs. What a term is worth in an item is computed once, as in Lù, "BM25S", 2024.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arrays import F32, I64, frozen

__all__ = ["Postings", "field_counts"]

K1 = 1.2  # how soon further mentions stop counting
B = 0.75  # how much long fields are held to be merely long

I32 = npt.NDArray[np.int32]
Bags = Sequence[Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Postings:
    """The items of each term with what it is worth there.

    Parameters
    ----------
    starts : shape `(n_terms + 1,)`, int64
        Those of term `t` are `starts[t]:starts[t + 1]`.
    rows : shape `(p,)`, int32
        Item rows, increasing inside a term.
    impacts : shape `(p,)`, float32
        Of each term in each item, between 0 and `limits` of the term.
    idf : shape `(n_terms,)`, float32
        How rare each term is: `log(1 + (n - df + 0.5) / (df + 0.5))`.
    lengths : shape `(n_fields,)`, float32
        The mean length of each field, in words, over the items that have it.
    n_items : how many items there are
    """

    starts: I64
    rows: I32
    impacts: F32
    idf: F32
    lengths: F32
    n_items: int

    def __post_init__(self) -> None:
        for name, dtype in (("starts", np.int64), ("rows", np.int32)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        for name in ("impacts", "idf", "lengths"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))

    @classmethod
    def of(cls, fields: Sequence[tuple[sp.csr_array, float]]) -> "Postings":
        """Postings of all items.

        Parameters
        ----------
        fields : counts of shape `(n_items, n_terms)` and the weight of each field
        """
        lengths = np.array([_mean_length(counts) for counts, _ in fields], dtype=np.float32)
        held = _weighed(fields, lengths)
        df = np.bincount(held.indices, minlength=held.shape[1])
        idf = _idf(df, held.shape[0])
        return cls._saturated(held, idf, lengths)

    def extended(self, fields: Sequence[tuple[sp.csr_array, float]]) -> "Postings":
        """Postings of these items and new ones: terms keep their rarity, new terms get theirs among the new items.

        Parameters
        ----------
        fields : as `of`, of the new items; at least as many terms, the old ones first
        """
        held = _weighed(fields, self.lengths)
        n_old, n_terms = len(self.idf), held.shape[1]
        n_items = self.n_items + held.shape[0]
        fresh = _idf(np.bincount(held.indices, minlength=n_terms)[n_old:], n_items)
        idf = np.concatenate([self.idf, fresh])
        more = self._saturated(held, idf, self.lengths)
        starts = np.concatenate([self.starts, np.full(n_terms - n_old, self.starts[-1])])
        old = sp.csc_array((self.impacts, self.rows, starts), shape=(self.n_items, n_terms))
        new = sp.csc_array((more.impacts, more.rows, more.starts), shape=(held.shape[0], n_terms))
        both = sp.vstack([old, new], format="csc")
        return Postings(frozen(both.indptr, np.int64), both.indices, both.data, idf, self.lengths, n_items)

    @classmethod
    def _saturated(cls, held: sp.csr_array, idf: F32, lengths: F32) -> "Postings":
        columns = held.tocsc()
        columns.sort_indices()
        sizes = np.diff(columns.indptr)
        impacts = columns.data * (K1 + 1) / (columns.data + K1) * np.repeat(idf, sizes)
        starts, values = frozen(columns.indptr, np.int64), frozen(impacts, np.float32)
        return cls(starts, columns.indices, values, idf, lengths, held.shape[0])

    @property
    def limits(self) -> F32:
        """What no item can exceed by one term, shape `(n_terms,)`."""
        return self.idf * np.float32(K1 + 1)

    def of_term(self, term: int) -> tuple[I32, F32]:
        """The rows that hold a term, and its worth in each."""
        span = slice(int(self.starts[term]), int(self.starts[term + 1]))
        return self.rows[span], self.impacts[span]

    def counts(self) -> I64:
        """How many items hold each term, shape `(n_terms,)`."""
        return np.diff(self.starts)


def field_counts(bags: Bags, vocabulary: dict[str, int]) -> tuple[I64, I32, F32]:
    """A field's counts as the parts of a sparse matrix: starts, terms, counts. New terms enter the vocabulary."""
    starts, terms, counts = np.zeros(len(bags) + 1, dtype=np.int64), [], []
    for row, bag in enumerate(bags):
        for term, count in bag.items():
            terms.append(vocabulary.setdefault(term, len(vocabulary)))
            counts.append(count)
        starts[row + 1] = len(terms)
    return starts, np.array(terms, dtype=np.int32), np.array(counts, dtype=np.float32)


def _mean_length(counts: sp.csr_array) -> float:
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    there = lengths > 0
    return float(lengths[there].mean()) if there.any() else 1.0


def _weighed(fields: Sequence[tuple[sp.csr_array, float]], lengths: F32) -> sp.csr_array:
    parts = []
    for (counts, weight), mean in zip(fields, lengths, strict=True):
        own = np.asarray(counts.sum(axis=1)).ravel()
        shares = weight / (1 - B + B * own / mean)  # (n_items,)
        part = counts.copy()
        part.data = part.data * np.repeat(shares, np.diff(part.indptr)).astype(np.float32)
        parts.append(part)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _idf(df: npt.NDArray[np.int64], n: int) -> F32:
    return np.log1p((n - df + 0.5) / (df + 0.5)).astype(np.float32)
