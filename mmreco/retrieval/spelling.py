"""The words of a vocabulary nearest to one that is not in it: shared three-letter pieces, then edits.

Candidates share three-letter pieces with the word (Zobel, Dart, "Finding approximate matches in large lexicons",
1995); they are ordered by the edits between them: a letter put in, left out, changed, or two swapped (Damerau, "A
technique for computer detection and correction of spelling errors", 1964).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import nsmallest

import numpy as np
import numpy.typing as npt

from mmreco.arrays import I64

__all__ = ["Spelling", "edits"]

_CANDIDATES = 50  # by shared pieces, whose edits are counted
_SHORTEST = 4  # letters of a word that is corrected
_LONGEST = 30
_FEWEST = 0.3  # of the word's pieces that a candidate must hold

_Grams = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Spelling:
    """A vocabulary that knows the words nearest to any other.

    Parameters
    ----------
    terms : the vocabulary
    counts : shape `(n_terms,)`
        How often each is used; among equally near words the commoner comes first. One that is not used is no answer.
    more : a vocabulary that has none of these terms, searched as well, optional
    """

    terms: Sequence[str]
    counts: I64
    more: "Spelling | None" = None

    def with_counts(self, counts: I64) -> "Spelling":
        """The same vocabulary used otherwise; what is known of its letters is kept."""
        other = replace(self, counts=counts)
        other.__dict__["_grams"] = self._grams
        return other

    def beside(self, more: "Spelling") -> "Spelling":
        """Both vocabularies; what is known of the letters of this one is kept."""
        other = replace(self, more=more)
        other.__dict__["_grams"] = self._grams
        return other

    def nearest(self, word: str, *, n: int = 3) -> list[tuple[str, float]]:
        """At most `n` words of the vocabulary within a slip or two, and how alike each is, 0 to 1, best first.

        One edit is allowed in a word of up to 7 letters, two in longer ones. Words with Chinese characters, words
        below 4 letters and mere numbers are left alone.
        """
        if not _SHORTEST <= len(word) <= _LONGEST or not word.isascii() or word.isdigit():
            return []
        allowed = 1 if len(word) < 8 else 2
        candidates = self._candidates(word) + ([] if self.more is None else self.more._candidates(word))
        found = []
        for _, count, other in sorted(candidates)[:_CANDIDATES]:
            distance = edits(word, other, allowed)
            if distance <= allowed and (word.isalpha() or not _other_digits(word, other)):
                alike = 1 - distance / max(len(word), len(other))
                found.append((distance, count, other, alike))
        return [(other, alike) for _, _, other, alike in sorted(found)[:n]]

    def _candidates(self, word: str) -> list[tuple[int, int, str]]:
        """The likeliest terms: pieces they share and how often they are used, both below 0, and the term."""
        grams, starts, terms = self._grams
        asked = np.unique(_trigrams([word])[0])
        places = np.minimum(np.searchsorted(grams, asked), max(0, len(grams) - 1))
        hits = [terms[starts[p] : starts[p + 1]] for p in places[grams[places] == asked]] if len(grams) else []
        if not hits:
            return []
        shared, times = np.unique(np.concatenate(hits), return_counts=True)
        enough = (times >= max(1, int(_FEWEST * len(asked)))) & (self.counts[shared] > 0)
        shared, times = shared[enough], times[enough]
        sizes = np.array([len(self.terms[t]) for t in shared.tolist()])
        near = np.abs(sizes - len(word)) <= 2
        shared, times = shared[near], times[near]
        counts = self.counts[shared]
        if len(shared) > _CANDIDATES:
            last = np.lexsort((-counts, -times))[_CANDIDATES - 1]
            first = (times > times[last]) | ((times == times[last]) & (counts >= counts[last]))  # with all equal ones
            shared, times, counts = shared[first], times[first], counts[first]
        ranked = zip((-times).tolist(), (-counts).tolist(), (self.terms[t] for t in shared.tolist()), strict=True)
        return nsmallest(_CANDIDATES, ranked)

    @cached_property
    def _grams(self) -> tuple[_Grams, I64, I64]:
        """Each piece there is, where its words begin, and the words."""
        eligible = [row for row, term in enumerate(self.terms) if _SHORTEST <= len(term) <= _LONGEST and term.isascii()]
        grams, owners = _trigrams([self.terms[row] for row in eligible])
        order = np.lexsort((owners, grams))
        grams, owners = grams[order], np.array(eligible, dtype=np.int64)[owners[order]]
        distinct, first = np.unique(grams, return_index=True)
        return distinct, np.append(first, len(grams)), owners


def _trigrams(words: Sequence[str]) -> tuple[_Grams, I64]:
    """All three-letter pieces of ASCII words, edges marked, and whose they are."""
    flat = np.frombuffer("".join(f"^{word}$" for word in words).encode("ascii"), dtype=np.uint8).astype(np.uint64)
    lengths = np.array([len(word) + 2 for word in words], dtype=np.int64)
    if not len(flat):
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    owners = np.repeat(np.arange(len(words)), lengths)
    grams = flat[:-2] << 16 | flat[1:-1] << 8 | flat[2:]
    inside = owners[:-2] == owners[2:]
    return grams[inside], owners[:-2][inside]


def _other_digits(word: str, other: str) -> bool:
    """Whether two codes differ in their digits: then they are two products, not a slip."""
    return [c for c in word if c.isdigit()] != [c for c in other if c.isdigit()]


def edits(a: str, b: str, limit: int) -> int:
    """The fewest single-letter edits and swaps of neighbours from `a` to `b`; `limit + 1` where there are more.

    Examples
    --------
    >>> edits("dress", "drses", 2), edits("lamp", "lamps", 2), edits("hat", "shoe", 1)
    (1, 1, 2)
    """
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before, last = list(range(len(b) + 1)), [0] * (len(b) + 1)
    for i, x in enumerate(a, 1):
        now = [i] + [0] * len(b)
        for j, y in enumerate(b, 1):
            now[j] = min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                now[j] = min(now[j], last[j - 2] + 1)
        if min(now) > limit:
            return limit + 1
        last, before = before, now
    return min(before[-1], limit + 1)
