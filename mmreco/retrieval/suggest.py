"""What a shopper may be about to type, or meant to: completions from titles and the query log, and corrections.

Completions are the phrases of up to three words that titles share and the queries that were asked, looked up by their
beginning, the commonest first (after Bar-Yossef, Kraus, "Context-sensitive query auto-completion", 2011, without the
context).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmreco.arguments import require_kind
from mmreco.arrays import I64, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.text.folding import fold
from mmreco.text.segmentation import Segmenter, is_chinese
from mmreco.text.stemming import stem

__all__ = ["Completions", "did_you_mean"]

_LONGEST = 3  # words of a phrase taken from titles
_ASKED = 10  # a query that was asked once counts as a phrase of so many titles
_COMMONER = 50  # times that a neighbour in spelling must be commoner for a word that is known to be doubted
_SCANNED = 5_000  # phrases examined for one prefix


@dataclass(frozen=True, eq=False, repr=False)
class Completions:
    """Phrases that complete what is being typed.

    Made by `build`.

    Parameters
    ----------
    phrases : folded, sorted, each once
    counts : shape `(len(phrases),)`, int64
        How much each is worth.

    Examples
    --------
    >>> shop = Catalogue.from_frame(pa.table({"item_id": ["a", "b", "c"],
    ...     "title": ["Red dress", "Red dress, floral", "Red hat"]}))
    >>> Completions.build(shop, queries=["red hat with ribbon"]).complete("red h")
    ('red hat with ribbon',)
    >>> Completions.build(shop).complete("re", k=2)
    ('red', 'red dress')
    """

    phrases: tuple[str, ...]
    counts: I64

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", frozen(self.counts, np.int64))
        if self.counts.shape != (len(self.phrases),):
            raise DataError(f"Completions: {len(self.phrases)} phrases, counts of shape {self.counts.shape}")

    @classmethod
    def build(
        cls, catalogue: Catalogue, *, queries: Iterable[str] = (), least: int = 2, segmenter: Segmenter | None = None
    ) -> "Completions":
        """Completions from a catalogue's titles, brands and categories, and from queries that were asked.

        Parameters
        ----------
        catalogue : its titles, brands and categories become completions
        queries : optional
            The log, a query as often as it was asked. Those that hold an e-mail address or a long number are left out.
        least : 1 or more, optional
            Titles that must share a phrase.
        segmenter : optional
            That of the catalogue's `LexicalIndex`.

        Raises
        ------
        DataError
            `least` is below 1.
        """
        if least < 1:
            raise DataError(f"least={least}: expected 1 or more")
        require_kind("Completions.build", catalogue, Catalogue)
        cut = segmenter or Segmenter()
        counts: Counter[str] = Counter()
        for name in ("title", "brand", "category"):
            if catalogue.has(name):
                for title in catalogue.column(name):
                    counts.update(set(_phrases(str(title or ""), cut)))
        found = Counter({phrase: count for phrase, count in counts.items() if count >= least})
        for query in queries:
            asked = " ".join(fold(query).split())
            if asked and not _private(asked):
                found[asked] += _ASKED
        phrases = sorted(found)
        return cls(tuple(phrases), np.array([found[phrase] for phrase in phrases], dtype=np.int64))

    def complete(self, beginning: str, k: int = 8) -> tuple[str, ...]:
        """At most `k` phrases that begin with `beginning`, the most frequent first; none where it is empty."""
        start = " ".join(fold(beginning).split()) + (" " if beginning.endswith(" ") and beginning.strip() else "")
        if not start:
            return ()
        first = bisect_left(self.phrases, start)
        last = first
        while last < len(self.phrases) and last - first < _SCANNED and self.phrases[last].startswith(start):
            last += 1
        order = sorted(range(first, last), key=lambda at: (-int(self.counts[at]), len(self.phrases[at]), at))
        return tuple(self.phrases[at] for at in order[:k])

    def _write(self, path: Path) -> None:
        table = pa.table({"phrase": pa.array(self.phrases, pa.large_string()), "count": self.counts})
        pq.write_table(table, path / "completions.parquet")

    @classmethod
    def _read(cls, path: Path) -> "Completions":
        table = pq.read_table(path / "completions.parquet")
        return cls(tuple(table["phrase"].to_pylist()), table["count"].to_numpy())


def did_you_mean(lexical: LexicalIndex, query: str) -> str | None:
    """The `query` with words that `lexical` does not know replaced by the nearest that it does.

    None if there is nothing to correct. A word that items do hold is doubted where one letter away stands another that
    is fifty times as frequent.

    Examples
    --------
    >>> shop = Catalogue.from_frame(pa.table({"item_id": ["a"], "title": ["Wireless headphones"]}))
    >>> did_you_mean(LexicalIndex.build(shop), "wirless headphones")
    'wireless headphones'
    """
    written, changed = [], False
    for word in lexical.segmenter.segment(query):
        better = _better(lexical, word)
        written.append(better or word)
        changed |= better is not None
    if not changed:
        return None
    return ("" if all(map(is_chinese, written)) else " ").join(written)


def _better(lexical: LexicalIndex, word: str) -> str | None:
    near = [other for other, _ in lexical.spelling.nearest(word) if stem(other) != stem(word)]
    if not near or is_chinese(word):
        return None
    if not lexical.vocabulary_coverage([word])[0]:
        return near[0]
    often = lexical.count(stem(word))
    return near[0] if often and lexical.count(stem(near[0])) >= _COMMONER * often else None


def _phrases(title: str, segmenter: Segmenter) -> Iterable[str]:
    words = segmenter.segment(title)
    for size in range(1, _LONGEST + 1):
        for at in range(len(words) - size + 1):
            yield _joined(words[at : at + size])


def _joined(words: Sequence[str]) -> str:
    """Words as they are written: Chinese ones without spaces between them."""
    out = words[0]
    for before, word in pairwise(words):
        out += ("" if is_chinese(before) and is_chinese(word) else " ") + word
    return out


def _private(query: str) -> bool:
    return "@" in query or sum(letter.isdigit() for letter in query) >= 7
