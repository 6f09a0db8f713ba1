"""LexicalIndex: the words of a catalogue, ranked by BM25 over its fields; all words first, exact names before all.

Robertson, Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009. See `postings` for the fields.
Deviates: an item that holds every word of the query stands before any that does not, and an item whose title, id,
or brand and model *is* the query before all. A word that no item has is read as the nearest words there are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.ranking import Ranking
from mmreco.data.storage import read_ids, write_ids
from mmreco.errors import DataError, IncompatibleError
from mmreco.retrieval.names import exact_names
from mmreco.retrieval.postings import Postings, field_counts
from mmreco.retrieval.spelling import Spelling
from mmreco.retrieval.terms import PIECE, joined, key, pieces, words
from mmreco.storage.artefact import publish, read_artefact
from mmreco.text.folding import fold
from mmreco.text.glossary import alike
from mmreco.text.segmentation import Segmenter, is_chinese
from mmreco.text.stemming import stem

__all__ = ["FIELDS", "LexicalIndex"]

FIELDS = {"title": 2.0, "brand": 1.0, "category": 1.0, "text": 0.3}  # the columns that are searched, and their weights
_ALL_WORDS = 1.0  # what an item gains that holds every word; BM25 itself lies between 0 and 1
_EXACT = 2.0  # and one that is called exactly so
_SYNONYM = 0.5  # the weight of a word that means the one asked for
_MISSPELT = 0.7  # and of one that was read as another
_TINY = 1e-6

_U64 = npt.NDArray[np.uint64]
_Term = tuple[npt.NDArray[np.int32], F32]


@dataclass(frozen=True, eq=False, repr=False)
class LexicalIndex:
    """The words of a catalogue's items, searched.

    Made by `build` or `load`. Scores lie between 0 and 4: below 1 an item holds some of the words, from 1 all of
    them, from 2 it is called exactly so (its title, its id, a brand with a model code). Inside each it is BM25, as a
    share of the most the query's words can bring.

    Parameters
    ----------
    items : IdMap of `n` items
    terms : the vocabulary, in the order of the postings
    postings : which items hold each term
    names : shape `(m,)`, uint64, increasing
        What items are called, as 64-bit keys.
    named : shape `(m,)`, int64
        The item row of each name.
    segmenter : cuts texts and queries alike
    synonyms : optional
        What else a word may be called, as the index writes words (folded, without a plural's ending).

    Examples
    --------
    >>> shop = Catalogue.from_frame(pa.table({"item_id": ["a", "b", "c"],
    ...     "title": ["Red dress", "Red hat with a ribbon", "Belkin router F9K-1015"]}))
    >>> index = LexicalIndex.build(shop)
    >>> index.search(["red ribbon hat", "belkin f9k1015", "ruoter"], k=1).ids(shop.items)
    [['b'], ['c'], ['c']]
    """

    items: IdMap
    terms: tuple[str, ...]
    postings: Postings
    names: _U64
    named: I64
    segmenter: Segmenter
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozen(self.names, np.uint64))
        object.__setattr__(self, "named", frozen(self.named, np.int64))
        if len(self.terms) != len(self.postings.idf) or self.postings.n_items != len(self.items):
            raise DataError(
                f"LexicalIndex: {len(self.terms)} terms and {len(self.items)} items, but postings of "
                f"{len(self.postings.idf)} terms and {self.postings.n_items} items"
            )

    @classmethod
    def build(
        cls, catalogue: Catalogue, *, words: Sequence[str] = (), synonyms: Mapping[str, Sequence[str]] | None = None
    ) -> "LexicalIndex":
        """The index of a catalogue's columns `title` (counted twice), `brand`, `category` and `text`.

        Parameters
        ----------
        words : optional
            Chinese words of the shop's own that are not to be cut. Its brands and categories are known anyway.
        synonyms : optional
            What else a word may be called, e.g. `{"sofa": ["couch", "settee"]}`; a word each. Chinese and English names
            of common things are known anyway (`mmreco.text.glossary`).
        """
        segmenter = Segmenter((*_own_words(catalogue), *words))
        vocabulary: dict[str, int] = {}
        fields = _fields(catalogue, segmenter, vocabulary)
        names, named = _sorted_names(*exact_names(catalogue))
        same = {
            stem(fold(word)): tuple(stem(fold(other)) for other in others) for word, others in (synonyms or {}).items()
        }
        return cls(catalogue.items, tuple(vocabulary), Postings.of(fields), names, named, segmenter, same)

    def add(self, catalogue: Catalogue) -> "LexicalIndex":
        """The index with these items after those it has; what is known of words stays, so nothing is counted anew.

        Raises
        ------
        DataError
            An item is in the index already.
        """
        known = self.items.rows(catalogue.items.array, missing="mark") >= 0
        if known.any():
            first = catalogue.items.ids([int(known.argmax())])[0]
            raise DataError(f"LexicalIndex: {int(known.sum())} of {len(catalogue)} items are there, first {first!r}")
        vocabulary = dict(self._vocabulary)
        fields = _fields(catalogue, self.segmenter, vocabulary)
        names, named = exact_names(catalogue)
        names, named = _sorted_names(
            np.concatenate([self.names, names]), np.concatenate([self.named, named + len(self.items)])
        )
        items = IdMap(pa.chunked_array([self.items.array, catalogue.items.array]))
        postings = self.postings.extended(fields)
        return LexicalIndex(items, tuple(vocabulary), postings, names, named, self.segmenter, self.synonyms)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"LexicalIndex({len(self)} items, {len(self.terms)} terms)"

    # ---- asked

    def search(self, queries: Sequence[str], k: int, *, where: Bool | None = None) -> Ranking:
        """The `k` best items of each query; only items that share a word with it.

        Parameters
        ----------
        queries : `n` texts
        k : 1 or more
        where : shape `(n_items,)` or `(n, n_items)` of bool, optional
            Which items may be answered.

        Raises
        ------
        DataError
            A query is not a string, `k` is below 1, or `where` is no mask over the items.
        """
        if k < 1:
            raise DataError(f"k={k}: expected 1 or more")
        shapes = ((len(self),), (len(queries), len(self)))
        if where is not None and (where.shape not in shapes or where.dtype != np.bool_):
            raise DataError(
                f"where: {where.dtype} of shape {where.shape}; expected bool of shape {shapes[0]} or {shapes[1]}"
            )
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        totals = np.zeros(len(self), dtype=np.float32)
        for line, query in enumerate(queries):
            chosen = where if where is None or where.ndim == 1 else where[line]
            found, values = self._matched(query, totals, chosen)
            best = Ranking.from_scores(values[None], k, rows=found[None])
            rows[line], scores[line] = best.rows[0], best.scores[0]
        return Ranking(rows, scores)

    def score(self, queries: Sequence[str], rows: I64) -> F32:
        """The score of given items for each query, shape `(n, m)`; 0 where nothing is shared or the row is -1.

        Parameters
        ----------
        queries : `n` texts
        rows : shape `(n, m)`
            Item rows.

        Raises
        ------
        DataError
            A query is not a string, or `rows` has not `n` lines.
        """
        if rows.ndim != 2 or len(rows) != len(queries):
            raise DataError(f"rows of shape {rows.shape} for {len(queries)} queries; expected a line a query")
        out = np.zeros(rows.shape, dtype=np.float32)
        totals = np.zeros(len(self) + 1, dtype=np.float32)  # the last is nobody's
        for line, query in enumerate(queries):
            found, values = self._matched(query, totals[:-1], None)
            totals[found] = values
            out[line] = totals[rows[line]]
            totals[found] = 0
        return out

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        """The share of each query's words that some item holds, shape `(n,)`; 0 for a query without words.

        Raises
        ------
        DataError
            A query is not a string.
        """
        shares = np.zeros(len(queries), dtype=np.float32)
        for line, query in enumerate(queries):
            asked = self._words(query)
            if asked:
                shares[line] = sum(self._means(word) for word in asked) / len(asked)
        return shares

    def exact(self, queries: Sequence[str]) -> Bool:
        """Whether some item is called exactly so, shape `(n,)`.

        Raises
        ------
        DataError
            A query is not a string.
        """
        return np.array([len(self._called(query)) > 0 for query in queries], dtype=bool)

    def count(self, word: str) -> int:
        """How many items hold a word, in the form the index writes it."""
        term = self._vocabulary.get(word)
        return 0 if term is None else int(self.postings.starts[term + 1] - self.postings.starts[term])

    def matching(self, query: str, *, where: Bool | None = None) -> I64:
        """The rows of all items that hold every word of the query, best first; those that hold some where none does.

        What facets are counted over.

        Raises
        ------
        DataError
            The query is not a string.
        """
        found, values = self._matched(query, np.zeros(len(self), dtype=np.float32), where)
        full = values >= _ALL_WORDS
        if full.any():
            found, values = found[full], values[full]
        return found[np.lexsort((found, -values))]

    def corrected(self, query: str) -> list[tuple[str, tuple[str, ...]]]:
        """The words of a query that no item holds, each with the nearest words there are; none without near ones."""
        unknown = [word for word in self._words(query) if not self._means(word) and not self._parts(word)]
        return [(word, tuple(near for near, _ in self.spelling.nearest(word))) for word in unknown]

    @cached_property
    def spelling(self) -> Spelling:
        """The vocabulary, to be asked for the words nearest to another."""
        return Spelling(self.terms, self.postings.counts())

    # ---- how

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return {term: number for number, term in enumerate(self.terms)}

    def _words(self, query: str) -> list[str]:
        """The distinct words that are asked for; a code whose joined writing is known counts as that one word."""
        asked = list(dict.fromkeys(words(query, self.segmenter)))
        for code in joined(query):
            if code in self._vocabulary and code not in asked:
                asked = [word for word in asked if word not in code or word in self._vocabulary]
        return asked

    def _means(self, word: str) -> bool:
        """Whether an item holds the word or a synonym of it."""
        others = (word, *self.synonyms.get(word, ()), *alike(word))
        return any(other in self._vocabulary for other in others)

    def _parts(self, word: str) -> list[str]:
        return [piece for piece in pieces(word) if piece in self._vocabulary]

    def _terms(self, query: str) -> tuple[list[_Term], list[tuple[_Term, float]], float]:
        """Postings every item should have, those that merely help with their weights, and what all can sum up to."""
        required: list[_Term] = []
        limit = 0.0
        helping: list[tuple[str, float]] = list(self._written(query))
        for word in self._words(query):
            readings = self._readings(word)
            required.append(_any_of([(self.postings.of_term(term), weight) for term, weight in readings]))
            limit += max((weight * float(self.postings.limits[term]) for term, weight in readings), default=0.0)
            helping += [(piece, PIECE if readings else 1.0) for piece in self._parts(word)]
        terms = [(self._vocabulary[word], weight) for word, weight in helping]
        limit += sum(weight * float(self.postings.limits[term]) for term, weight in terms)
        return required, [(self.postings.of_term(term), weight) for term, weight in terms], limit

    def _readings(self, word: str) -> list[tuple[int, float]]:
        """The terms that stand for a word, with weights: itself and its synonyms, or the nearest in spelling."""
        found = {word: 1.0}
        for other in (*self.synonyms.get(word, ()), *alike(word)):
            found.setdefault(other, _SYNONYM)
        known = [(self._vocabulary[other], weight) for other, weight in found.items() if other in self._vocabulary]
        if known or is_chinese(word):
            return known
        return [(self._vocabulary[other], _MISSPELT) for other, _ in self.spelling.nearest(word)]

    def _written(self, query: str) -> Iterator[tuple[str, float]]:
        """Plurals as they are written, and codes in one writing, where the vocabulary has them."""
        for word in dict.fromkeys(self.segmenter.segment(query)):
            if stem(word) != word and word in self._vocabulary:
                yield word, PIECE
        for code in joined(query):
            if code in self._vocabulary:
                yield code, 1.0

    def _matched(self, query: str, totals: F32, where: Bool | None) -> tuple[I64, F32]:
        """The rows that share something with the query and their scores; `totals` is zeros, and is so again."""
        required, helping, limit = self._terms(query)
        scale = np.float32((1 - 1e-3) / limit) if limit > 0 else np.float32(0)
        for rows, impacts in required:
            totals[rows] += 1 + impacts * scale  # whole numbers count the words, what is left is BM25
        for (rows, impacts), weight in helping:
            totals[rows] += impacts * (scale * np.float32(weight))
        called = self._called(query)
        totals[called] = np.maximum(totals[called], _TINY)
        found = np.flatnonzero(totals if where is None else totals * where)
        values = totals[found]
        totals[:] = 0
        held = np.floor(values)
        values -= held
        values += _ALL_WORDS * (held == len(required)) * (len(required) > 0)
        values[np.searchsorted(found, called[np.isin(called, found)])] += _EXACT
        return found, values.astype(np.float32)

    def _called(self, query: str) -> I64:
        """The rows of the items that are called exactly so, increasing."""
        name = key([query])
        if not name:
            return np.zeros(0, dtype=np.int64)
        first = np.searchsorted(self.names, np.uint64(name), "left")
        last = np.searchsorted(self.names, np.uint64(name), "right")
        return np.unique(self.named[first:last])

    # ---- kept

    def save(self, folder: str | Path) -> None:
        """Write the index to an artefact folder.

        Raises
        ------
        DataError
            `folder` holds something else.
        """
        with publish(folder, type(self).__name__, {"n": len(self)}) as path:
            self._write(path)

    @classmethod
    def load(cls, folder: str | Path) -> "LexicalIndex":
        """The index that `save` wrote.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or was written by another version.
        """
        return read_artefact(folder, cls.__name__, lambda found: cls._read(found.path))

    def _write(self, path: Path) -> None:
        write_ids(path / "items.parquet", self.items)
        pq.write_table(pa.table({"term": pa.array(self.terms, pa.large_string())}), path / "terms.parquet")
        arrays: dict[str, Any] = {name: np.array(getattr(self.postings, name)) for name in _ARRAYS}
        save_file(
            {**arrays, "names": np.array(self.names), "named": np.array(self.named)}, path / "postings.safetensors"
        )
        about = {
            "words": list(self.segmenter.words),
            "synonyms": {word: list(others) for word, others in self.synonyms.items()},
        }
        (path / "lexical_index.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def _read(cls, path: Path) -> "LexicalIndex":
        about: dict[str, Any] = json.loads((path / "lexical_index.json").read_text(encoding="utf-8"))
        arrays = load_file(path / "postings.safetensors")
        if about.keys() != {"words", "synonyms"} or arrays.keys() != {*_ARRAYS, "names", "named"}:
            raise IncompatibleError(f"{path}: no LexicalIndex of this version; build and save again")
        items = read_ids(path / "items.parquet")
        postings = Postings(**{name: arrays[name] for name in _ARRAYS}, n_items=len(items))
        terms = tuple(pq.read_table(path / "terms.parquet")["term"].to_pylist())
        synonyms = {word: tuple(others) for word, others in about["synonyms"].items()}
        segmenter = Segmenter(tuple(about["words"]))
        return cls(items, terms, postings, arrays["names"], arrays["named"], segmenter, synonyms)


_ARRAYS = ("starts", "rows", "impacts", "idf", "lengths")


def _own_words(catalogue: Catalogue) -> Iterator[str]:
    """Brands and categories of the shop that are Chinese words of two to six characters."""
    for name in ("brand", "category"):
        if catalogue.has(name):
            for text in dict.fromkeys(_written(catalogue, name)):
                yield from (word for word in text.split() if is_chinese(word) and 2 <= len(word) <= 6)


def _written(catalogue: Catalogue, name: str) -> list[str]:
    """A column as texts; the values of a list side by side, nothing where nothing is known."""
    if name not in catalogue.table.column_names:
        return [""] * len(catalogue)
    return [
        " ".join(map(str, value)) if isinstance(value, list) else str(value or "") for value in catalogue.column(name)
    ]


def _fields(catalogue: Catalogue, segmenter: Segmenter, vocabulary: dict[str, int]) -> list[tuple[sp.csr_array, float]]:
    """The counts of each field, all as wide as the vocabulary at the end."""
    parts = []
    for name, weight in FIELDS.items():
        cut: dict[str, dict[str, float]] = {}
        bags = []
        for written in _written(catalogue, name):
            if written not in cut:
                cut[written] = _bag(written, segmenter)
            bags.append(cut[written])
        parts.append((field_counts(bags, vocabulary), weight))
    shape = (len(catalogue), len(vocabulary))
    return [(sp.csr_array((counts, terms, starts), shape=shape), weight) for (starts, terms, counts), weight in parts]


def _bag(text: str, segmenter: Segmenter) -> dict[str, float]:
    """How often each term is in a text; pieces and joined codes a part of that."""
    bag: dict[str, float] = {}
    for word in segmenter.segment(text):
        term = stem(word)
        bag[term] = bag.get(term, 0.0) + 1.0
        for piece in pieces(word) if term == word else (word,):
            bag[piece] = bag.get(piece, 0.0) + PIECE
    for code in joined(text):
        if code not in bag:
            bag[code] = PIECE
    return bag


def _sorted_names(names: _U64, named: I64) -> tuple[_U64, I64]:
    order = np.lexsort((named, names))
    return names[order], named[order]


def _any_of(alternatives: Sequence[tuple[_Term, float]]) -> _Term:
    """One word read in several ways: an item has it that has any of them, at the best of what they are worth."""
    if len(alternatives) == 1 and alternatives[0][1] == 1:
        return alternatives[0][0]
    if not alternatives:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    rows = np.concatenate([rows for (rows, _), _ in alternatives])
    impacts = np.concatenate([impacts * np.float32(weight) for (_, impacts), weight in alternatives])
    distinct, place = np.unique(rows, return_inverse=True)
    best = np.zeros(len(distinct), dtype=np.float32)
    np.maximum.at(best, place, impacts)
    return distinct, best
