"""Recommender: ids in, ids out. The thin front of encoders, one space and an index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmreco.arguments import listed, require_width, strings
from mmreco.arrays import I64, Bool
from mmreco.data.answer import Answer
from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.reviews import Reviews
from mmreco.data.storage import read_catalogue, read_interactions, write_catalogue, write_interactions
from mmreco.embedding.catalogue import Modality, encode_content, modality
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError, IncompatibleError
from mmreco.filters.candidates import allowed
from mmreco.index.vector import VectorIndex
from mmreco.models.sharedspace import SharedSpace
from mmreco.retrieval.content_index import (
    ContentIndex,
    content_scores,
    load_content_indexes,
    save_content_indexes,
)
from mmreco.storage.artefact import Artefact, publish, read_artefact
from mmreco.text.title_tokens import with_title_tokens

__all__ = ["Recommender"]


@dataclass(frozen=True, eq=False)
class _Shelf:
    """All an answer is made from, replaced as a whole when items are added, so that no answer mixes two."""

    catalogue: Catalogue
    channels: Mapping[str, ContentIndex]
    index: VectorIndex
    histories: Interactions  # of the known users, over the catalogue
    refused: pa.Table  # id, reason

    @property
    def items(self) -> IdMap:
        return self.catalogue.items


@dataclass(eq=False, repr=False)
class Recommender:
    """A shop that answers: what next for a shopper, what is like this item, what matches these words or this picture.

    Made by `fit` or `load`.

    Attributes
    ----------
    model : the space of users and items
    """

    model: SharedSpace
    attributes: Attributes
    _shelf: _Shelf = field(kw_only=True)

    # ---- made

    @classmethod
    def fit(
        cls,
        catalogue: Catalogue,
        events: Interactions,
        *,
        reviews: Reviews | None = None,
        text: Sequence[Any] | None = None,
        image: Sequence[Any] | None = None,
        model: SharedSpace | None = None,
        progress: bool = False,
    ) -> Self:
        """A recommender for this shop: content is encoded once, a space is trained on the events, and indexed.

        Parameters
        ----------
        catalogue : the items
            Texts are read from `title` and `text`, pictures from `image`, facts from `category`, `brand`, `price` and
            the words of `title`.
        events : over the catalogue's items
            Read them with `catalogue=` so that both speak of the same items.
        reviews : optional
            What shoppers wrote; becomes part of an item's text vector.
        text : encoders of text, optional
            One `LexicalEncoder` fitted on the catalogue's own texts when omitted; `[]` for none.
        image : encoders of pictures, optional
            One trained by `ImageEncoder.fit` on the shop's own pictures when omitted and there are any; `[]` for none.
        model : optional
            `SharedSpace()` when omitted. It is fitted here.

        Raises
        ------
        DataError
            There are no items or no events.
        IncompatibleError
            `events` or `reviews` are over other items than `catalogue`.
        """
        _same_items("events", events.items, catalogue.items)
        if reviews is not None:
            _same_items("reviews", reviews.items, catalogue.items)
        if not len(catalogue) or not events.n_events:
            raise DataError(f"{len(catalogue)} items and {events.n_events} events: expected at least one of each")
        if text is None:
            written = [t for t in catalogue.texts() if t]
            text = [LexicalEncoder().fit(written)] if written else []
        encoders = _named("text", text)
        content, refused = encode_content(encoders, catalogue, reviews, progress=progress)
        if image is None:
            image = _own_pictures(catalogue, content.get("text"), progress)
        pictures, unseen = encode_content(_named("image", image), catalogue, progress=progress)
        encoders, content = {**encoders, **_named("image", image)}, {**content, **pictures}
        refused = pa.concat_tables([refused, unseen])
        content = {name: vectors for name, vectors in content.items() if len(vectors)}
        attributes = Attributes.from_catalogue(with_title_tokens(catalogue))
        space = SharedSpace() if model is None else model
        space.fit(events, content=content, attributes=attributes, progress=progress)
        channels = {
            name: ContentIndex(modality(name), encoders[name], catalogue.items, vectors)
            for name, vectors in content.items()
        }
        shelf = _Shelf(catalogue, channels, VectorIndex(space.item_embeddings()), events, refused)
        return cls(space, attributes, _shelf=shelf)

    def add(self, catalogue: Catalogue, *, reviews: Reviews | None = None) -> None:
        """Take in new items: they are placed by what is known of them and answered from now on, without training.

        Raises
        ------
        DataError
            An item is known already, or the columns disagree in type with the catalogue's.
        """
        shelf = self._shelf
        grown = shelf.catalogue.joined(catalogue)  # refuses what is known, before any work
        encoders = {name: channel.encoder for name, channel in shelf.channels.items()}
        content, refused = encode_content(encoders, catalogue, reviews)
        placed = self.model.place(content, self.attributes.describe(with_title_tokens(catalogue)))
        vectors, there = placed.aligned(catalogue.items)
        if not there.all():
            reason = "no text, picture or attribute to place it by"
            lost = catalogue.items.array.filter(pa.array(~there))
            more = pa.table({"id": lost, "reason": pa.array([reason] * len(lost), pa.large_string())})
            refused = pa.concat_tables([refused, more])
            grown, vectors = shelf.catalogue.joined(catalogue.take(np.flatnonzero(there))), vectors[there]
        old = shelf.index.embeddings
        both = Embeddings(grown.items, np.concatenate([old.vectors, vectors]), old.fingerprint)
        self._shelf = _Shelf(
            grown,
            {name: channel.grown(grown.items, content[name]) for name, channel in shelf.channels.items()},
            VectorIndex(both),
            replace(shelf.histories, items=grown.items),
            pa.concat_tables([shelf.refused, refused]),
        )

    # ---- asked

    def recommend(
        self,
        users: Sequence[str] | None = None,
        *,
        history: Sequence[Sequence[str]] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        where: str | Bool | None = None,
    ) -> Answer:
        """What each shopper wants next, best first.

        Whoever is unknown, or has no history, is answered with what most people took; `popular` marks them.

        Parameters
        ----------
        users : ids of known users, or
        history : the item ids of each stranger, oldest first
            Unknown items are left out, and listed in `unknown`.
        k : 1 or more
            Answers a question.
        exclude_seen : optional
            Whether what the shopper had already is left out.
        where : an expression over the catalogue's columns, or a mask of shape `(n_items,)`, optional
            Which items may be answered, e.g. `"category == 'dress' and price < 300"`.

        Raises
        ------
        DataError
            Neither or both of `users` and `history` are given, an id is no string, `k` is below 1, or `where`
            cannot be read.
        """
        shelf = self._shelf
        require_width(k)
        chosen = allowed(shelf.catalogue, where)
        if (users is None) == (history is None):
            raise DataError("recommend: give users or history, one of the two")
        if users is not None:
            asked = strings("users", users)
            rows = shelf.histories.users.rows(asked, missing="mark")
            known = np.unique(rows[rows >= 0])
            histories, questions = shelf.histories.take(known), tuple(asked)
            place = np.where(rows >= 0, np.searchsorted(known, rows), len(known))  # the last line is the stranger's
            unknown = tuple(u for u, row in zip(asked, rows, strict=True) if row < 0)
        else:
            lists = [strings("history", h) for h in history or ()]
            histories = Interactions.from_histories(lists, items=shelf.items)
            questions, place = tuple(histories.users.ids(range(len(lists)))), np.arange(len(lists))
            flat = [i for h in lists for i in h]
            unknown = tuple(i for i, r in zip(flat, shelf.items.rows(flat, missing="mark"), strict=True) if r < 0)
        ranking, popular = self._recommended(shelf, histories, k, exclude_seen, chosen)
        return Answer(questions, _lines(ranking, place), shelf.catalogue, popular[place], unknown)

    def similar(self, items: Sequence[str], *, k: int = 10, where: str | Bool | None = None) -> Answer:
        """The items nearest to each of these, itself left out, best first.

        An unknown item is answered with nothing and listed in `unknown`.

        Raises
        ------
        DataError
            An id is no string, `k` is below 1, or `where` cannot be read.
        """
        shelf = self._shelf
        require_width(k)
        asked = strings("items", items)
        rows = shelf.items.rows(asked, missing="mark")
        known = np.unique(rows[rows >= 0])
        ranking = shelf.index.search(
            shelf.index.embeddings.vectors[known],
            k,
            where=allowed(shelf.catalogue, where),
            exclude=Interactions.from_events(shelf.items.take(known), shelf.items, np.arange(len(known)), known),
        )
        place = np.where(rows >= 0, np.searchsorted(known, rows), len(known))
        unknown = tuple(i for i, row in zip(asked, rows, strict=True) if row < 0)
        return Answer(tuple(asked), _lines(ranking, place), shelf.catalogue, np.zeros(len(asked), dtype=bool), unknown)

    def search(
        self,
        *,
        text: Sequence[str] | None = None,
        image: Sequence[str | Path] | None = None,
        k: int = 10,
        where: str | Bool | None = None,
    ) -> Answer:
        """The items that match these words, these pictures, or both together, best first.

        Words are compared with what is written about the items, pictures with their pictures. An encoder
        counts as much as it knows of the words: one trained on English alone is not asked about Chinese.

        Parameters
        ----------
        text : one query a question, optional
        image : one path of a picture a question, optional
            With `text`, question `q` is text `q` and picture `q`; their scores are averaged.
        k, where : as `recommend`

        Raises
        ------
        DataError
            Nothing is asked, texts and pictures are not as many, the shop has none of what is asked, a picture
            cannot be read, `k` is below 1, or `where` cannot be read.
        """
        shelf = self._shelf
        require_width(k)
        queries: dict[Modality, list[Any]] = {}
        if text is not None:
            queries["text"] = strings("text", text)
        if image is not None:
            queries["image"] = [Path(p) for p in listed("image", image)]
        scores = content_scores(list(shelf.channels.values()), queries)
        chosen = allowed(shelf.catalogue, where)
        blank = np.atleast_1d(np.isneginf(scores).all(axis=1))  # (n,)
        if chosen is not None:
            scores[:, ~chosen] = -np.inf
        questions = tuple(" + ".join(map(str, parts)) for parts in zip(*queries.values(), strict=True))
        unknown = tuple(q for q, nothing in zip(questions, blank, strict=True) if nothing)
        return Answer(
            questions, Ranking.from_scores(scores, k), shelf.catalogue, np.zeros(len(questions), dtype=bool), unknown
        )

    @property
    def catalogue(self) -> Catalogue:
        """The items there are, those added later included."""
        return self._shelf.catalogue

    @property
    def refused(self) -> pa.Table:
        """Content that could not be used, `id` and `reason`; such items are answered by what else they have."""
        return self._shelf.refused

    def __repr__(self) -> str:
        shelf = self._shelf
        return f"Recommender({len(shelf.items)} items, {len(shelf.histories)} users, {', '.join(shelf.channels)})"

    def _recommended(
        self, shelf: _Shelf, histories: Interactions, k: int, exclude_seen: bool, where: Bool | None
    ) -> tuple[Ranking, Bool]:
        """The answer to each history and, as one line more, to a stranger; and which lines are merely popular."""
        queries = self.model.user_vectors(histories, items=shelf.index.embeddings)
        ranking = shelf.index.search(queries, k, where=where, exclude=histories if exclude_seen else None)
        counts = shelf.histories.counts().astype(np.float32)
        if where is not None:
            counts[~where] = -np.inf
        best = Ranking.from_scores(counts[None], k)
        rows, scores = np.concatenate([ranking.rows, best.rows]), np.concatenate([ranking.scores, best.scores])
        popular = np.append(histories.lengths == 0, True)
        rows[popular], scores[popular] = best.rows, best.scores
        return Ranking(rows, scores), popular

    # ---- kept

    def save(self, folder: str | Path) -> None:
        """Write everything to an artefact folder (see `mmreco.storage.artefact`).

        Raises
        ------
        DataError
            `folder` holds something else, or an encoder is of a kind that cannot be stored.
        """
        shelf = self._shelf
        about = {"items": len(shelf.items), "model": self.model._config()}
        with publish(folder, type(self).__name__, about) as path:
            write_catalogue(path / "catalogue.parquet", shelf.catalogue)
            save_content_indexes(path / "channels", shelf.channels)
            write_interactions(path / "histories", shelf.histories)
            pq.write_table(shelf.refused, path / "refused.parquet")
            for name, part in (("model", self.model), ("attributes", self.attributes), ("index", shelf.index)):
                (path / name).mkdir()
                part._write(path / name)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The recommender that `save` wrote.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or was written by a version this one does not read.
        """
        return read_artefact(folder, cls.__name__, cls._read)

    @classmethod
    def _read(cls, found: Artefact) -> Self:
        path = found.path
        catalogue = read_catalogue(path / "catalogue.parquet")
        shelf = _Shelf(
            catalogue,
            load_content_indexes(path / "channels", catalogue.items),
            VectorIndex._read(path / "index"),
            read_interactions(path / "histories", catalogue.items),
            pq.read_table(path / "refused.parquet"),
        )
        model = SharedSpace._read(path / "model", dict(found.about["model"]))
        return cls(model, Attributes._read(path / "attributes"), _shelf=shelf)


def _own_pictures(catalogue: Catalogue, text: Embeddings | None, progress: bool) -> list[ImageEncoder]:
    """An encoder trained on the shop's own pictures, and on what is written about them; none without two pictures."""
    shown = np.array([path is not None for path in catalogue.images()], dtype=bool)
    if shown.sum() < 2:
        return []
    described = text is not None and bool((text.aligned(catalogue.items)[1] & shown).any())
    return [ImageEncoder.fit(catalogue, text=text if described else None, progress=progress)]


def _named(modality: Modality, encoders: Sequence[Any]) -> dict[str, Any]:
    return {f"{modality}{number or ''}": encoder for number, encoder in enumerate(encoders)}


def _lines(ranking: Ranking, place: I64) -> Ranking:
    """The lines of a ranking at these places; the place after the last is a line of nothing."""
    nothing = np.full((1, ranking.k), -1), np.full((1, ranking.k), -np.inf, dtype=np.float32)
    return Ranking(
        np.concatenate([ranking.rows, nothing[0]])[place], np.concatenate([ranking.scores, nothing[1]])[place]
    )


def _same_items(what: str, given: IdMap, expected: IdMap) -> None:
    if given != expected:
        raise IncompatibleError(
            f"{what} speak of {len(given)} items, the catalogue of {len(expected)}, and not the same; "
            "read them with catalogue=..."
        )
