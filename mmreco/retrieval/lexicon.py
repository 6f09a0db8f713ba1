"""Lexicon: the terms of a catalogue whose items change, with the items that hold each.

The postings of all items stand as they were built; items that changed since are struck from them, and what is written
of them now stands in a few postings beside. So a change costs what it changes, and a look over the numbers of the items
once. When many have changed, both become one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.retrieval.postings import I32, K1, Bag, Postings, idf
from mmreco.retrieval.spelling import Spelling

__all__ = ["Lexicon"]

_MANY = 2_048  # items that changed, from which all are put together anew
_NOTHING = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The terms of `n_items` items.

    Parameters
    ----------
    base : postings as they were built
    weights : of the fields
    n_items : rows there are, those that came later included
    gone : shape `(g,)`, increasing
        Rows of `base` of which nothing there counts any more.
    lost : by term of `base`, how many of `gone` held it
    later : by row, the bags of what is written of it now, one a field
    """

    base: Postings
    weights: tuple[float, ...]
    n_items: int
    gone: I64 = field(default_factory=lambda: _NOTHING)
    lost: Mapping[int, int] = field(default_factory=dict)
    later: Mapping[int, tuple[Bag, ...]] = field(default_factory=dict)

    def with_written(self, rows: I64, bags: Sequence[tuple[Bag, ...]], n_items: int) -> "Lexicon":
        """The lexicon where these are the bags of these rows, and all rows are `n_items`."""
        of_base = np.setdiff1d(rows[rows < self.base.n_items], self.gone)
        lost = dict(self.lost)
        if len(of_base):
            terms, counts = np.unique(self.base.terms_in(of_base), return_counts=True)
            for term, count in zip(terms.tolist(), counts.tolist(), strict=True):
                lost[term] = lost.get(term, 0) + count
        later = {**self.later, **dict(zip(rows.tolist(), bags, strict=True))}
        changed = Lexicon(self.base, self.weights, n_items, np.union1d(self.gone, of_base), lost, later)
        return changed.merged() if len(later) > _MANY else changed

    def merged(self) -> "Lexicon":
        """The same in one part."""
        if not len(self.gone) and not self.later and self.n_items == self.base.n_items:
            return self
        gone = np.zeros(self.base.n_items, dtype=np.bool_)
        gone[self.gone] = True
        base = self.base.merged(gone, self._fresh, self._at, self.n_items)
        return Lexicon(base, self.weights, self.n_items)

    # ---- asked

    def __contains__(self, term: str) -> bool:
        return self.count(term) > 0

    def count(self, term: str) -> int:
        """How many items hold a term."""
        number = self.base.numbers.get(term)
        count = 0 if number is None else self.base.count(number) - self.lost.get(number, 0)
        number = self._fresh.numbers.get(term) if self.later else None
        return count if number is None else count + self._fresh.count(number)

    def limit(self, term: str) -> float:
        """What no item can exceed by one term."""
        return idf(self.count(term), self.n_items) * (K1 + 1)

    def postings(self, term: str) -> tuple[I32, F32]:
        """The rows that hold a term, each once, and its worth in each, between 0 and `limit`."""
        rows, shares = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
        number = self.base.numbers.get(term)
        if number is not None:
            rows, shares = self.base.of_term(number)
            if self.lost.get(number):
                stay = np.ones(len(rows), dtype=np.bool_)
                places = np.searchsorted(rows, self.gone)
                inside = places < len(rows)
                places = places[inside]
                stay[places[rows[places] == self.gone[inside]]] = False
                rows, shares = rows[stay], shares[stay]
        number = self._fresh.numbers.get(term) if self.later else None
        if number is not None:
            more, own = self._fresh.of_term(number)
            rows, shares = np.concatenate([rows, self._at[more].astype(np.int32)]), np.concatenate([shares, own])
        return rows, shares * np.float32(idf(len(rows), self.n_items))

    @property
    def n_terms(self) -> int:
        """How many terms there are, those that no item holds any more included."""
        return len(self.base.terms) + len(self._new)

    @cached_property
    def spelling(self) -> Spelling:
        """The vocabulary, to be asked for the words nearest to another."""
        counts = self.base.counts()
        for number, count in self.lost.items():
            counts[number] -= count
        fresh = self._fresh.counts()
        for term, count in zip(self._fresh.terms, fresh.tolist(), strict=True):
            known = self.base.numbers.get(term)
            if known is not None:
                counts[known] += count
        grown = self._spelling_of_base.with_counts(counts)
        new = self._new
        return grown if not new else grown.beside(Spelling([self._fresh.terms[t] for t in new], fresh[new]))

    # ---- parts

    @property
    def _spelling_of_base(self) -> Spelling:
        """Kept with the postings, which all lexicons of one base share."""
        held: Spelling | None = self.base.__dict__.get("_spelling")
        if held is None:
            held = self.base.__dict__["_spelling"] = Spelling(self.base.terms, self.base.counts())
        return held

    @cached_property
    def _at(self) -> I64:
        """The rows that are written of since, increasing."""
        return np.array(sorted(self.later), dtype=np.int64)

    @cached_property
    def _fresh(self) -> Postings:
        """What is written of them, a row of these postings each."""
        bags = [self.later[row] for row in self._at.tolist()]
        fields = [([own[number] for own in bags], weight) for number, weight in enumerate(self.weights)]
        return Postings.of(fields, len(bags), lengths=self.base.lengths)

    @cached_property
    def _new(self) -> list[int]:
        """The terms of `_fresh` that the base has not."""
        return [number for number, term in enumerate(self._fresh.terms) if term not in self.base.numbers]
