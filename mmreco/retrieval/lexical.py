"""LexicalIndex: the words of a catalogue, ranked by BM25 over its fields; all words first, exact names before all.

Robertson, Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009. See `postings` for the fields.
Deviates: an item that holds every word of the query stands before any that does not, and an item whose title, id,
or brand and model *is* the query before all. A word that no item has is read as the nearest words there are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from mmreco.arguments import listed, require_kind, require_width, strings, whole_numbers
from mmreco.arrays import F32, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.extended_ids import extend_ids
from mmreco.data.ids import IdMap
from mmreco.data.ranking import Ranking
from mmreco.data.storage import read_ids, write_ids
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.arguments import mask_over
from mmreco.retrieval.lexicon import Lexicon
from mmreco.retrieval.matches import Matches, best, summed
from mmreco.retrieval.names import Names, names_of
from mmreco.retrieval.postings import Bag, Postings
from mmreco.retrieval.spelling import Spelling
from mmreco.retrieval.terms import PIECE, joined, pieces, words
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

_Term = tuple[npt.NDArray[np.int32], F32]


@dataclass(frozen=True, eq=False, repr=False)
class LexicalIndex:
    """A BM25 index over the text fields of a catalogue.

    Made by `build` or `load`. Scores lie between 0 and 4: below 1 an item holds some of the words, from 1 all of
    them, from 2 it is called exactly so (its title, its id, a brand with a model code). Inside each it is BM25, as a
    share of the most the query's words can bring.

    Parameters
    ----------
    items : IdMap of `n` items
    lexicon : the terms, and which items hold each
    names : what items are called
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
    lexicon: Lexicon
    names: Names
    segmenter: Segmenter
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.lexicon.n_items != len(self.items):
            raise DataError(f"LexicalIndex: {len(self.items)} items, but words of {self.lexicon.n_items}")

    @classmethod
    def build(
        cls, catalogue: Catalogue, *, words: Sequence[str] = (), synonyms: Mapping[str, Sequence[str]] | None = None
    ) -> "LexicalIndex":
        """The index of a catalogue's columns `title` (counted twice), `brand`, `category` and `text`.

        Parameters
        ----------
        catalogue : `n` items
        words : optional
            Chinese words of the shop's own that are not to be cut. Its brands and categories are known anyway.
        synonyms : optional
            What else a word may be called, e.g. `{"sofa": ["couch", "settee"]}`; a word each. Chinese and English names
            of common things are known anyway (`mmreco.text.glossary`).
        """
        require_kind("LexicalIndex.build", catalogue, Catalogue)
        if synonyms is not None and not isinstance(synonyms, Mapping):
            raise DataError(f"synonyms: {synonyms!r:.80}; expected a mapping, e.g. {{'sofa': ['couch']}}")
        segmenter = Segmenter((*_own_words(catalogue), *strings("words", words)))
        bags = _bags(catalogue, segmenter)
        fields = [([own[number] for own in bags], weight) for number, weight in enumerate(FIELDS.values())]
        lexicon = Lexicon(Postings.of(fields, len(catalogue)), tuple(FIELDS.values()), len(catalogue))
        same = {
            stem(fold(word)): tuple(stem(fold(other)) for other in strings(f"synonyms of {word!r}", others))
            for word, others in (synonyms or {}).items()
        }
        return cls(catalogue.items, lexicon, Names.of(names_of(catalogue)), segmenter, same)

    # ---- change

    def add(self, catalogue: Catalogue) -> "LexicalIndex":
        """The index with the items of `catalogue` after those it has, at the cost of what is written of them.

        The shop's own Chinese words and the mean lengths of fields stay as they were when the index was built; how rare
        a word is, is counted anew.

        Raises
        ------
        DataError
            An item is in the index already.
        """
        require_kind("LexicalIndex.add", catalogue, Catalogue)
        try:
            items = extend_ids(self.items, catalogue.items)
        except DataError as error:
            raise DataError(f"LexicalIndex: {error}; use update()") from error
        return self._with_written(items, np.arange(len(self), len(items)), catalogue)

    def update(self, catalogue: Catalogue) -> "LexicalIndex":
        """The index where `catalogue` is all that is written of its items; see `add`.

        Raises
        ------
        UnknownIdError
            An item is not in the index.
        """
        require_kind("LexicalIndex.update", catalogue, Catalogue)
        rows = self.items.rows(catalogue.items.ids(range(len(catalogue))))
        return self._with_written(self.items, rows, catalogue)

    def remove(self, ids: Sequence[str]) -> "LexicalIndex":
        """The index in which nothing is written of these items, and none is called by a name; all rows stay.

        Raises
        ------
        DataError
            `ids` is one string, or holds something else than strings.
        UnknownIdError
            An item is not in the index.
        """
        rows = np.unique(self.items.rows(strings("remove", ids)))
        nothing: tuple[Bag, ...] = ({},) * len(FIELDS)
        lexicon = self.lexicon.with_written(rows, [nothing] * len(rows), len(self))
        return replace(self, lexicon=lexicon, names=self.names.with_named(rows, [frozenset()] * len(rows)))

    def _with_written(self, items: IdMap, rows: I64, catalogue: Catalogue) -> "LexicalIndex":
        lexicon = self.lexicon.with_written(rows, _bags(catalogue, self.segmenter), len(items))
        names = self.names.with_named(rows, names_of(catalogue))
        return LexicalIndex(items, lexicon, names, self.segmenter, self.synonyms)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"LexicalIndex({len(self)} items, {self.lexicon.n_terms} terms)"

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
            A query is not a string, `k` is below 1, or `where` is not a mask over the items.
        """
        asked, k = listed("queries", queries), require_width(k, len(self))
        where = mask_over(len(self), len(asked), where)
        return best([self.matches(query) for query in asked], k, where=where)

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
        asked, rows = listed("queries", queries), whole_numbers("rows", rows)
        if rows.ndim != 2 or len(rows) != len(asked):
            raise DataError(f"rows of shape {rows.shape} for {len(asked)} queries; expected a line a query")
        scores = np.zeros(rows.shape, dtype=np.float32)
        for line, query in enumerate(asked):
            scores[line] = self.matches(query).at(rows[line])
        return scores

    def matches(self, query: str) -> Matches:
        """All items that share something with `query`, with their scores.

        Raises
        ------
        DataError
            The query is not a string.
        """
        required, helping, limit = self._terms(query)
        scale = np.float32((1 - 1e-3) / limit) if limit > 0 else np.float32(0)
        # whole numbers count the words, what is left is BM25
        parts = [(rows, 1 + impacts * scale) for rows, impacts in required]
        parts += [(rows, impacts * (scale * np.float32(weight))) for (rows, impacts), weight in helping]
        called = self.names.called(query)
        rows, values = summed([*parts, (called, np.full(len(called), _TINY, dtype=np.float32))], len(self))
        held = np.floor(values)
        values = values - held
        values += _ALL_WORDS * (held == len(required)) * (len(required) > 0)
        values[np.searchsorted(rows, called)] += _EXACT
        return Matches(rows, values.astype(np.float32))

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        """The share of the words of each of `queries` that some item holds, shape `(n,)`; 0 for a query without words.

        Raises
        ------
        DataError
            A query is not a string.
        """
        shares = np.zeros(len(listed("queries", queries)), dtype=np.float32)
        for line, query in enumerate(queries):
            asked = self._words(query)
            if asked:
                shares[line] = sum(self._means(word) for word in asked) / len(asked)
        return shares

    def exact(self, queries: Sequence[str]) -> Bool:
        """Whether some item is called exactly as each of `queries` says, shape `(n,)`.

        Raises
        ------
        DataError
            A query is not a string.
        """
        return np.array([len(self.names.called(query)) > 0 for query in listed("queries", queries)], dtype=bool)

    def count(self, word: str) -> int:
        """How many items hold `word`, in the form the index writes it."""
        return self.lexicon.count(word)

    def matching(self, query: str, *, where: Bool | None = None) -> I64:
        """The rows of all items that hold every word of the query, best first; those that hold some where none does.

        What facets are counted over.

        Parameters
        ----------
        query : a text
        where : shape `(n_items,)`, bool, optional
            Which items may be found.

        Raises
        ------
        DataError
            The query is not a string.
        """
        found = self.matches(query).among(mask_over(len(self), 1, where))
        full = found.scores >= _ALL_WORDS
        if full.any():
            found = Matches(found.rows[full], found.scores[full])
        return found.rows[np.lexsort((found.rows, -found.scores))]

    def corrected(self, query: str) -> list[tuple[str, tuple[str, ...]]]:
        """The words of `query` that no item holds, each with the nearest words there are; none without near ones."""
        unknown = [word for word in self._words(query) if not self._means(word) and not self._parts(word)]
        return [(word, tuple(near for near, _ in self.spelling.nearest(word))) for word in unknown]

    @property
    def spelling(self) -> Spelling:
        """The vocabulary, to be asked for the words nearest to another."""
        return self.lexicon.spelling

    # ---- how

    def _words(self, query: str) -> list[str]:
        """The distinct words that are asked for; a code whose joined writing is known counts as that one word."""
        asked = list(dict.fromkeys(words(query, self.segmenter)))
        for code in joined(query):
            if code in self.lexicon and code not in asked:
                asked = [word for word in asked if word not in code or word in self.lexicon]
        return asked

    def _means(self, word: str) -> bool:
        """Whether an item holds the word or a synonym of it."""
        others = (word, *self.synonyms.get(word, ()), *alike(word))
        return any(other in self.lexicon for other in others)

    def _parts(self, word: str) -> list[str]:
        return [piece for piece in pieces(word) if piece in self.lexicon]

    def _terms(self, query: str) -> tuple[list[_Term], list[tuple[_Term, float]], float]:
        """Postings every item should have, those that merely help with their weights, and what all can sum up to."""
        required: list[_Term] = []
        limit = 0.0
        helping: list[tuple[str, float]] = list(self._written(query))
        for word in self._words(query):
            readings = self._readings(word)
            required.append(_any_of([(self.lexicon.postings(term), weight) for term, weight in readings]))
            limit += max((weight * self.lexicon.limit(term) for term, weight in readings), default=0.0)
            helping += [(piece, PIECE if readings else 1.0) for piece in self._parts(word)]
        limit += sum(weight * self.lexicon.limit(word) for word, weight in helping)
        return required, [(self.lexicon.postings(word), weight) for word, weight in helping], limit

    def _readings(self, word: str) -> list[tuple[str, float]]:
        """The terms that stand for a word, with weights: itself and its synonyms, or the nearest in spelling."""
        found = {word: 1.0}
        for other in (*self.synonyms.get(word, ()), *alike(word)):
            found.setdefault(other, _SYNONYM)
        known = [(other, weight) for other, weight in found.items() if other in self.lexicon]
        if known or is_chinese(word):
            return known
        return [(other, _MISSPELT) for other, _ in self.spelling.nearest(word)]

    def _written(self, query: str) -> Iterator[tuple[str, float]]:
        """Plurals as they are written, and codes in one writing, where the vocabulary has them."""
        for word in dict.fromkeys(self.segmenter.segment(query)):
            if stem(word) != word and word in self.lexicon:
                yield word, PIECE
        for code in joined(query):
            if code in self.lexicon:
                yield code, 1.0

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
        """The index that `save` wrote to `folder`.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or was written by another version.
        """
        return read_artefact(folder, cls.__name__, lambda found: cls._read(found.path))

    def _write(self, path: Path) -> None:
        postings, names = self.lexicon.merged().base, self.names.merged()
        write_ids(path / "items.parquet", self.items)
        pq.write_table(pa.table({"term": pa.array(postings.terms, pa.large_string())}), path / "terms.parquet")
        arrays = {name: np.array(getattr(postings, name)) for name in _OF_POSTINGS}
        save_file(arrays | {f"name_{name}": np.array(getattr(names, name)) for name in _OF_NAMES}, path / _FILE)
        about = {
            "words": list(self.segmenter.words),
            "synonyms": {word: list(others) for word, others in self.synonyms.items()},
        }
        (path / "lexical_index.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def _read(cls, path: Path) -> "LexicalIndex":
        about: dict[str, Any] = json.loads((path / "lexical_index.json").read_text(encoding="utf-8"))
        arrays = load_file(path / _FILE)
        if about.keys() != {"words", "synonyms"} or arrays.keys() != {*_OF_POSTINGS, *(f"name_{n}" for n in _OF_NAMES)}:
            raise IncompatibleError(f"{path}: no LexicalIndex of this version; build and save again")
        items = read_ids(path / "items.parquet")
        terms = tuple(pq.read_table(path / "terms.parquet")["term"].to_pylist())
        postings = Postings(terms, **{name: arrays[name] for name in _OF_POSTINGS}, n_items=len(items))
        lexicon = Lexicon(postings, tuple(FIELDS.values()), len(items))
        keys, codes, rows = (arrays[f"name_{name}"] for name in _OF_NAMES)
        names = Names(keys, codes, rows)
        synonyms = {word: tuple(others) for word, others in about["synonyms"].items()}
        return cls(items, lexicon, names, Segmenter(tuple(about["words"])), synonyms)


_FILE = "postings.safetensors"
_OF_POSTINGS = ("starts", "rows", "shares", "lengths")
_OF_NAMES = ("keys", "codes", "rows")


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


def _bags(catalogue: Catalogue, segmenter: Segmenter) -> list[tuple[Bag, ...]]:
    """The terms of each item, a bag a field; equal texts of a field are cut once."""
    columns = []
    for name in FIELDS:
        cut: dict[str, dict[str, float]] = {}
        bags = []
        for written in _written(catalogue, name):
            if written not in cut:
                cut[written] = _bag(written, segmenter)
            bags.append(cut[written])
        columns.append(bags)
    return list(zip(*columns, strict=True))


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
