"""Postings: which items hold a term, and how much each is worth: BM25 over fields, summed before it saturates.

Robertson, Zaragoza, Taylor, "Simple BM25 extension to multiple weighted fields", 2004: the counts of a term are
weighed and normalised by length in each field, summed, and only then saturated, so that a word in the title and in
the text is not two proofs. What a term is worth in an item, apart from its rarity, is computed once, as in Lù, "BM25S",
2024; the rarity is multiplied in when a query asks, as it changes with every item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.errors import DataError

__all__ = ["K1", "Bag", "Postings", "idf"]

K1 = 1.2  # how soon further mentions stop counting
B = 0.75  # how much the length of a field is discounted

I32 = npt.NDArray[np.int32]
Bag = Mapping[str, float]
"""How often each term is in a text."""


@dataclass(frozen=True, eq=False)
class Postings:
    """The items of each term with what it is worth there.

    Parameters
    ----------
    terms : the vocabulary, `n_terms` of them
    starts : shape `(n_terms + 1,)`, int64
        Those of term `t` are `starts[t]:starts[t + 1]`.
    rows : shape `(p,)`, int32
        Item rows, increasing inside a term.
    shares : shape `(p,)`, float32
        What each term is worth in each item beside its rarity, between 0 and `K1 + 1`.
    lengths : shape `(n_fields,)`, float32
        The mean length of each field, in words, over the items that have it.
    n_items : how many items there are

    Raises
    ------
    DataError
        There are not as many terms as postings are for.
    """

    terms: tuple[str, ...]
    starts: I64
    rows: I32
    shares: F32
    lengths: F32
    n_items: int

    def __post_init__(self) -> None:
        for name, dtype in (("starts", np.int64), ("rows", np.int32)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        for name in ("shares", "lengths"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))
        if len(self.terms) != len(self.starts) - 1:
            raise DataError(f"Postings: {len(self.terms)} terms, but postings of {len(self.starts) - 1}")

    @classmethod
    def of(
        cls, fields: Sequence[tuple[Sequence[Bag], float]], n_items: int, *, lengths: F32 | None = None
    ) -> "Postings":
        """Postings of all items.

        Parameters
        ----------
        fields : a bag an item, and the weight of each field
        n_items : bags of each field
        lengths : the mean length of each field, optional
            Counted when omitted.
        """
        vocabulary: dict[str, int] = {}
        counted = [_counts(bags, vocabulary) for bags, _ in fields]
        shape = (n_items, len(vocabulary))
        counts = [sp.csr_array((values, terms, starts), shape=shape) for starts, terms, values in counted]
        if lengths is None:
            lengths = np.array([_mean_length(own) for own in counts], dtype=np.float32)
        held = _weighed(counts, [weight for _, weight in fields], lengths).tocsc()
        held.sort_indices()
        return cls(
            tuple(vocabulary),
            frozen(held.indptr, np.int64),
            held.indices,
            frozen(held.data * (K1 + 1) / (held.data + K1), np.float32),
            lengths,
            n_items,
        )

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each term."""
        return {term: number for number, term in enumerate(self.terms)}

    def of_term(self, term: int) -> tuple[I32, F32]:
        """The rows that hold a term, and its share in each."""
        span = slice(int(self.starts[term]), int(self.starts[term + 1]))
        return self.rows[span], self.shares[span]

    def count(self, term: int) -> int:
        """How many items hold a term."""
        return int(self.starts[term + 1] - self.starts[term])

    def counts(self) -> I64:
        """How many items hold each term, shape `(n_terms,)`."""
        return np.diff(self.starts)

    def terms_in(self, items: I64) -> I64:
        """The term of each posting that is of one of these items, a number as often as it is in one of them."""
        if len(items) == 1:
            places = np.flatnonzero(self.rows == np.int32(items[0]))
        else:
            chosen = np.zeros(self.n_items, dtype=np.bool_)
            chosen[items] = True
            places = np.flatnonzero(chosen[self.rows])
        return np.searchsorted(self.starts, places, side="right") - 1

    def merged(self, gone: Bool, later: "Postings", at: I64, n_items: int) -> "Postings":
        """These without the items `gone`, shape `(n_items,)`, and with those of `later`, whose rows are `at`."""
        terms = [*self.terms, *(term for term in later.terms if term not in self.numbers)]
        number = {term: place for place, term in enumerate(terms)}
        stay = ~gone[self.rows]
        own = np.repeat(np.arange(len(self.terms)), self.counts())[stay]
        others = np.array([number[term] for term in later.terms], dtype=np.int64)
        others = others[np.repeat(np.arange(len(later.terms)), later.counts())]
        columns = np.concatenate([own, others])
        there = np.bincount(columns, minlength=len(terms)) > 0
        left, renumbered = np.flatnonzero(there), np.cumsum(there) - 1
        places = (np.concatenate([self.rows[stay], at[later.rows]]), renumbered[columns])
        shares = np.concatenate([self.shares[stay], later.shares])
        held = sp.coo_array((shares, places), shape=(n_items, len(left))).tocsc()
        held.sort_indices()
        kept = tuple(terms[place] for place in left.tolist())
        return Postings(kept, frozen(held.indptr, np.int64), held.indices, held.data, self.lengths, n_items)


def idf(count: int, n_items: int) -> float:
    """How rare a term is that so many of all items hold: `log(1 + (n - df + 0.5) / (df + 0.5))`."""
    return float(np.log1p((n_items - count + 0.5) / (count + 0.5)))


def _counts(bags: Sequence[Bag], vocabulary: dict[str, int]) -> tuple[I64, I32, F32]:
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


def _weighed(fields: Sequence[sp.csr_array], weights: Sequence[float], lengths: F32) -> sp.csr_array:
    parts = []
    for counts, weight, mean in zip(fields, weights, lengths, strict=True):
        own = np.asarray(counts.sum(axis=1)).ravel()
        shares = weight / (1 - B + B * own / mean)  # (n_items,)
        part = counts.copy()
        part.data = part.data * np.repeat(shares, np.diff(part.indptr)).astype(np.float32)
        parts.append(part)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
