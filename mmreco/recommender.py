"""Recommender: ids in, ids out. The thin front of encoders, any model and their indexes; live between two fits."""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from mmreco.arguments import (
    listed,
    path_of,
    require_kind,
    require_whole,
    require_width,
    strings,
    takes,
    text_of,
)
from mmreco.arrays import I64, Bool
from mmreco.data.answer import Answer, SimilarUsers
from mmreco.data.boxes import Box
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.moment import moment_ms
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.data.reviews import Reviews
from mmreco.embedding.catalogue import Modality, modality
from mmreco.embedding.defaults import encode_shop
from mmreco.errors import DataError, UnknownIdError
from mmreco.evaluation.choice import choose
from mmreco.explain import Explanation, explain
from mmreco.filters.candidates import Where, candidates
from mmreco.live import changes, forgetting, observing
from mmreco.live.answering import LiveModel, alike_by_behaviour, alike_by_content, fused, lines, recommended
from mmreco.live.chosen_by_many import ChosenByMany
from mmreco.live.event_log import EventLog
from mmreco.live.goes_with import GoesWith
from mmreco.live.item_space import Indexing, ItemSpace
from mmreco.live.opening import opening_order
from mmreco.live.popularity import Popularity
from mmreco.live.repeats import REPEATING, repeat_share
from mmreco.live.searching import search_words
from mmreco.live.similar_users import similar_users
from mmreco.live.state import State
from mmreco.live.storage import about, load_state, save_state
from mmreco.models.base import Model, VectorModel
from mmreco.models.contentknn import ContentKNN
from mmreco.models.sharedspace import SharedSpace
from mmreco.models.training import Training
from mmreco.pages import Page, PageComposer, PageOptions
from mmreco.protocols import Detects, Encoder, Recommends, Searches
from mmreco.questions.answers import Answered, ItemQuestions
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.content_search import search_content
from mmreco.retrieval.cropping import cropped
from mmreco.retrieval.lexical import FIELDS, LexicalIndex
from mmreco.storage.artefact import Artefact, publish, read_artefact

__all__ = ["Recommender"]

_NO_EVENTS = "nobody has done anything yet: newest and most central items first"
_FEW_PEOPLE = "no item was turned to by enough people to be called popular: the order says nothing of people"
_REPEATS = "this shop's customers buy again, so what they had is answered too; exclude_seen=True leaves it out"
_ALIVE: "weakref.WeakSet[Recommender]" = weakref.WeakSet()


class Recommender:
    """Recommendations, similar items and search by words or pictures, over one shop's data.

    Made by `fit` or `load`. Questions may be asked from many threads at once and never wait; each is answered from one
    state. `add`, `update`, `remove`, `forget`, `expire` and `refit` are done one at a time, `observe` beside them, and
    all count from the next question on.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._unlock()
        self._owed = False  # whether people have gone whom the model still knows, as learning anew has failed
        self._composer: tuple[Catalogue, Interactions, PageComposer, GoesWith, ChosenByMany | None] | None = None
        self._questions: ItemQuestions | None = None

        _ALIVE.add(self)

    def _unlock(self) -> None:
        self._writing = threading.Lock()  # held while the state is replaced
        self._learning = threading.Lock()  # taken before the other, and held while a model is fitted

    def __getstate__(self) -> State:
        return self._state

    def __setstate__(self, state: State) -> None:
        Recommender.__init__(self, state)

    # ---- made

    @classmethod
    def fit(
        cls,
        dataset: Dataset,
        *,
        model: Recommends | Literal["auto"] | None = None,
        text: Sequence[Encoder[str]] | None = None,
        image: Sequence[Encoder[Any]] | None = None,
        quality: str = "exact",
        device: str = "auto",
        index: Callable[[str, Embeddings], Searches] | None = None,
        progress: bool = False,
    ) -> Self:
        """A recommender for this shop: content is encoded once, a model is trained on the events, all is indexed.

        Parameters
        ----------
        dataset : what the shop knows
            Texts are read from `title` and `text`, pictures from `image`. Reviews become part of an item's text vector.
        model : any model, optional
            `SharedSpace()` when omitted; where nobody has two events, `ContentKNN()`, or none without content. A model
            of `mmreco.models` is fitted here; anything else that recommends is taken as it is. "auto" measures the
            quick models and the space on the log's own end and keeps the best, blended where that wins, within half an
            hour; `chosen` says which (see `mmreco.evaluation.choice.choose`).
        text, image : encoders, optional
            When omitted, one of the catalogue's own words and one trained on its own pictures; `[]` for none.
        quality, device : as `VectorIndex` has them
            For the items' vectors and for content.
        index : what makes an index of a name and vectors, optional
            E.g. `lambda name, vectors: MilvusIndex.build(vectors, uri, name)`. It is asked for the model's item vectors
            ("items") and for content ("text", "image", ...). What comes or changes later is searched beside it, until
            it is much; then the index is made anew.
        progress : optional
            Whether to show bars.

        Raises
        ------
        DataError
            `dataset` is no Dataset, or has no items; or an encoder, the model, `quality` or `device` is unusable.
        """
        if not isinstance(dataset, Dataset):
            raise DataError(
                f"Recommender.fit: given a {type(dataset).__name__}; expected a Dataset, e.g. "
                "Dataset.read(items=..., events=...)"
            )
        if index is not None and not takes(index, 2):
            raise DataError(
                f"index: {index!r:.80}; expected a function of a name and Embeddings, e.g. "
                "lambda name, vectors: MilvusIndex.build(vectors, uri, name)"
            )
        if not len(dataset):
            raise DataError("Recommender.fit: the dataset has no items; expected one at least")
        indexing = Indexing(quality, device, index)
        encoders, content, refused = encode_shop(
            dataset.catalogue, dataset.reviews, text=text, image=image, progress=progress
        )
        content = {name: vectors for name, vectors in content.items() if len(vectors)}
        dataset = dataset.with_content({**dataset.content, **content})
        chosen = ""
        if model == "auto" and (dataset.interactions.lengths > 1).any():
            repeats = repeat_share(dataset.interactions) >= REPEATING
            choice = choose(dataset, exclude_seen=not repeats, training=Training(device=device), progress=progress)
            model, chosen = choice.model, choice.said
        else:
            model = _model(None if model == "auto" else model, dataset, device)
            if isinstance(model, Model):
                model.fit(dataset, progress=progress)
        indexes = {
            name: ContentIndex(modality(name), encoders[name], dataset.items, indexing.build(name, vectors))
            for name, vectors in content.items()
        }
        return cls(replace(_state(dataset, model, indexes, refused, indexing), chosen=chosen))

    def refit(self, *, from_scratch: bool = False, progress: bool = False) -> None:
        """Train again from where the weights are, on all that was observed.

        Questions are answered and events are taken meanwhile; changes of the catalogue, and whoever asks to be
        forgotten, wait until it is done. Content is not encoded again.

        Parameters
        ----------
        from_scratch : optional
            Whether training begins as `fit` did, so that nothing is left in the weights of who was forgotten. Models
            that do not learn by gradient always do.
        progress : optional
            Whether a bar is shown.

        Raises
        ------
        DataError
            There is no model, or it is not one of the library's.
        """
        with self._learning:
            before = self._state
            if not isinstance(before.model, Model):
                raise DataError(
                    "refit: this model is not one of mmreco.models; train it yourself and pass it to Recommender.fit"
                )
            dataset = before.dataset()
            if from_scratch:
                model = before.model.unfitted().fit(dataset, progress=progress)
            else:
                model = before.model.refit(dataset, progress=progress)
            items = dataset.items
            indexes = {
                name: ContentIndex(one.modality, one.encoder, items, before.indexing.build(name, dataset.content[name]))
                for name, one in before.content.items()
            }
            fresh = _state(dataset, model, indexes, before.refused, before.indexing)
            popularity = replace(fresh.popularity, least=before.popularity.least)
            fresh = replace(fresh, popularity=popularity, chosen=before.chosen)
            with self._writing:
                self._state = observing.caught_up(fresh, before, self._state)

    # ---- asked

    def recommend(
        self,
        users: Sequence[str] | None = None,
        *,
        history: Sequence[Sequence[str]] | None = None,
        k: int = 10,
        exclude_seen: bool | None = None,
        where: Where | None = None,
        allow: Sequence[str] | None = None,
        refuse: Sequence[str] | None = None,
        at: datetime | str | int | None = None,
    ) -> Answer:
        """What each shopper wants next, best first.

        Whoever is unknown, or has no history, is answered with what most people turned to; `popular` marks them.

        Parameters
        ----------
        users : ids of known users, or
        history : the item ids of each stranger, oldest first
            Unknown items are left out, and listed in `unknown`.
        k : 1 or more
            Answers a question.
        exclude_seen : optional
            Whether what the shopper had already is left out. When omitted, it is, unless the log shows that customers
            buy again; the answer says so.
        where : an expression over the catalogue's columns, a mask of shape `(n_items,)`, or one of these a question
            Which items may be answered, e.g. `"category == 'dress' and price < 300"`.
        allow, refuse : item ids, optional
            Only these, none of these.
        at : when it is asked, optional
            A datetime, ISO text or milliseconds since 1970 UTC, for models that know of time; just after each one's
            newest event when omitted.

        Raises
        ------
        DataError
            Neither or both of `users` and `history` are given, an id is not a string, `k` is not a whole number of 1 or
            more, or `where` or `at` cannot be read.
        """
        state = self._state
        width = require_width(k, len(state.items))
        if (users is None) == (history is None):
            raise DataError("recommend: give either users or history")
        if users is not None:
            questions = tuple(strings("users", users))
            distinct = list(dict.fromkeys(questions))
            histories = state.log.histories(distinct, state.items)
            unknown = (
                tuple(user for user in distinct if not state.log.knows(user)) if (histories.lengths == 0).any() else ()
            )
            place = (
                np.array([distinct.index(user) for user in questions], dtype=np.int64)
                if len(distinct) < len(questions)
                else np.arange(len(questions))
            )
        else:
            lists = [strings("history", one) for one in listed("history", history or ())]
            histories = Interactions.from_histories(lists, items=state.items)
            questions, place = tuple(histories.users.ids(range(len(lists)))), np.arange(len(lists))
            flat = [item for one in lists for item in one]
            rows = state.items.rows(flat, missing="mark")
            unknown = tuple(item for item, row in zip(flat, rows, strict=True) if row < 0)
        chosen = state.among(candidates(state.catalogue, len(questions), where=where, allow=allow, refuse=refuse))
        if chosen is not None and chosen.ndim == 2 and len(histories) < len(questions):
            histories, place = _one_each(state, questions), np.arange(len(questions))
        seen_out = not state.repeats if exclude_seen is None else exclude_seen
        moment = None if at is None else np.full(len(histories), moment_ms(at), dtype=np.int64)
        request = Request(histories, k=width, exclude_seen=seen_out, candidates=chosen, at=moment)
        ranking, popular = recommended(state, request)
        notes: tuple[str, ...] = (_NO_EVENTS,) if not state.log.base.n_events and not state.log.until else ()
        notes += (_FEW_PEOPLE,) if popular.any() and not state.popularity.has_popular(len(state.items)) else ()
        notes += (_REPEATS,) if exclude_seen is None and state.repeats else ()
        notes += (state.chosen,) if state.chosen else ()
        return Answer(questions, lines(ranking, place), state.catalogue, popular[place], unknown, notes)

    def similar(
        self,
        items: Sequence[str],
        *,
        k: int = 10,
        by: Literal["both", "behaviour", "content"] = "both",
        where: Where | None = None,
        allow: Sequence[str] | None = None,
        refuse: Sequence[str] | None = None,
    ) -> Answer:
        """The items most like each of these, itself left out, best first.

        An unknown item is answered with nothing and listed in `unknown`.

        Parameters
        ----------
        items : `n` ids, each asked for itself
        k, where, allow, refuse : as `recommend`
        by : what makes items alike
            What users did with them, what they say and look like, or both, put together by reciprocal ranks.

        Raises
        ------
        DataError
            An id is not a string, `by` is not one of the three, or `k` or `where` is unusable.
        """
        state = self._state
        width = require_width(k, len(state.items))
        if by not in ("both", "behaviour", "content"):
            raise DataError(f"by={by!r}: expected 'both', 'behaviour' or 'content'")
        questions = strings("items", items)
        rows = state.items.rows(questions, missing="mark")
        distinct = np.unique(rows[rows >= 0])
        place = np.where(rows >= 0, np.searchsorted(distinct, rows), len(distinct))
        chosen = state.among(candidates(state.catalogue, len(questions), where=where, allow=allow, refuse=refuse))
        if chosen is not None and chosen.ndim == 2:  # a filter a question: each is asked by itself
            asked = np.flatnonzero(rows >= 0)
            parts = [self._alike(state, rows[line : line + 1], width, by, chosen[line]) for line in asked]
            place = np.full(len(rows), len(asked), dtype=np.int64)
            place[asked] = np.arange(len(asked))
            ranking = lines(_stacked(parts, width), place)
        else:
            ranking = lines(self._alike(state, distinct, width, by, chosen), place)
        unknown = tuple(item for item, row in zip(questions, rows, strict=True) if row < 0)
        return Answer(tuple(questions), ranking, state.catalogue, np.zeros(len(questions), dtype=bool), unknown)

    def similar_users(self, users: Sequence[str], *, k: int = 10) -> SimilarUsers:
        """The users most like each of these, itself left out, best first; unknown ones are answered with nothing.

        Parameters
        ----------
        users : `n` ids
        k : 1 or more

        Raises
        ------
        DataError
            An id is not a string, or `k` is not a whole number of 1 or more.
        """
        return similar_users(self._state, strings("users", users), require_width(k))

    def search(
        self,
        *,
        text: Sequence[str] | None = None,
        image: Sequence[str | Path | bytes] | None = None,
        boxes: Sequence[Box | None] | Detects[Any] | None = None,
        k: int = 10,
        match: Literal["both", "words", "meaning"] = "both",
        users: Sequence[str] | None = None,
        where: Where | None = None,
        allow: Sequence[str] | None = None,
        refuse: Sequence[str] | None = None,
    ) -> Answer:
        """The items that match these words, these pictures, or both together, best first.

        Words are compared with what is written about the items, exactly and by meaning, pictures with their pictures.
        An encoder counts as much as it knows of the words: one trained on English alone is not asked about Chinese.

        Parameters
        ----------
        text : one query a question, optional
        image : one picture a question, its path or the bytes of its file, optional
            With `text`, question `q` is text `q` and picture `q`; their cosines are averaged.
        boxes : one a picture, or a detector, optional
            Where the product is: `(x0, y0, x1, y1)` in pixels of the upright picture, None for the whole. A `Detector`
            finds the box itself. `Answer.boxes` says which was used.
        match : how texts without a picture are compared
            By the words as they are written (BM25, exact names first), by meaning (cosines of the encoders' vectors),
            or both together.
        users : one known user a question, optional
            What the shopper likes moves the order of what matches, the more the more a query leaves open.
        k, where, allow, refuse : as `recommend`

        Raises
        ------
        DataError
            Nothing is asked, texts and pictures are not as many, the shop has none of what is asked, a picture
            cannot be read, a box is empty or leaves its picture, or `k` or `where` is unusable.
        """
        state = self._state
        width = require_width(k, len(state.items))
        queries: dict[Modality, list[Any]] = {}
        if text is not None:
            queries["text"] = strings("text", text)
        if image is not None:
            queries["image"] = [p if isinstance(p, bytes) else path_of("image", p) for p in listed("image", image)]
        if boxes is not None and image is None:
            raise DataError("search: boxes without pictures; give image=[...]")
        if match not in ("both", "words", "meaning"):
            raise DataError(f"match={match!r}: expected 'both', 'words' or 'meaning'")
        n = len(next(iter(queries.values()), []))
        chosen = state.among(candidates(state.catalogue, n, where=where, allow=allow, refuse=refuse))
        questions = tuple(" + ".join(map(_shown, parts)) for parts in zip(*queries.values(), strict=False))
        used: tuple[Box | None, ...] = ()
        if boxes is not None:
            queries["image"], used = cropped(queries["image"], boxes)
        if list(queries) == ["text"] and match != "meaning" and state.words_and_meanings is not None:
            who = None if users is None else strings("users", users)
            ranking, known = search_words(state, queries["text"], width, match, who, chosen)
        else:
            if users is not None:
                raise DataError("search: users= re-ranks text results; leave it out with pictures or match='meaning'")
            ranking, known = search_content(state.searched, queries, width, candidates=chosen)
        unknown = tuple(q for q, understood in zip(questions, known, strict=True) if not understood)
        popular = np.zeros(len(questions), dtype=bool)
        return Answer(questions, ranking, state.catalogue, popular, unknown, boxes=used)

    def explain(self, user: str | None, item: str, *, history: Sequence[str] | None = None, k: int = 10) -> Explanation:
        """Why this item is recommended to this shopper: what carries it, each reason measured by leaving it out.

        Parameters
        ----------
        user : the id of a known user; None with `history`
        item : the item in question; it need not be among the first `k`
        history : the item ids of a stranger, oldest first, in place of `user`
        k : 1 or more
            Width of the answer that the item is looked for in.

        Raises
        ------
        UnknownIdError
            The item is not in the catalogue, or nothing is known of the user.
        DataError
            Neither or both of `user` and `history` are given, or the model was trained on no events.
        """
        state = self._state
        if (user is None) == (history is None):
            raise DataError("explain: give either a user or history=")
        row = state.items.rows(strings("item", [item]))
        if history is not None:
            histories = Interactions.from_histories([strings("history", history)], items=state.items)
        else:
            name = strings("user", [user or ""])[0]
            if not state.log.knows(name):
                raise UnknownIdError(f"user {name!r}: no events; give history=[...]")
            histories = state.log.histories([name], state.items)
        if state.model is None:
            raise DataError("explain: the model was trained on no events; observe some, then refit")
        return explain(LiveModel(state), state.facts, histories, row, k=k)[0]

    def ask(self, item: str, question: str, *, k: int = 3) -> Answered:
        """The sentences of an item's reviews that answer a question, or that there are not enough reviews.

        Parameters
        ----------
        item : its id
        question : in English or Chinese
        k : 1 or more
            Sentences at most.

        Raises
        ------
        UnknownIdError
            The item is not in the catalogue.
        DataError
            The shop has no reviews, `question` is not a string, or `k` is below 1.
        """
        item, question, k = text_of("item", item), text_of("question", question), require_width(k)
        reviews = self.reviews
        if reviews is None:
            raise DataError("ask: this shop has no reviews; give Dataset.read(reviews=...)")
        held = self._questions
        if held is None or held.reviews is not reviews:  # how common words are is counted once
            held = self._questions = ItemQuestions(reviews)
        return held.ask(item, question, k=k)

    def page(
        self,
        name: Literal["home", "detail", "cart", "new_arrivals", "search"],
        *,
        user: str | None = None,
        history: Sequence[str] = (),
        item: str | None = None,
        cart: Sequence[str] = (),
        query: str | None = None,
        options: PageOptions | None = None,
        seed: int = 0,
    ) -> Page:
        """A page composed for one shopper: shelves with titles and reasons, no item twice.

        `mmreco.pages.page_html` renders it.

        Parameters
        ----------
        name : which page
        user : a known user, or
        history : the item ids of a stranger, oldest first; a stranger without any is served too
        item : the item a detail page is about
        cart : item ids in the cart, for a cart page; on a home page they are shown on no shelf
        query : what a search page answers
        options : how many shelves, how wide, which rules, which language, optional
        seed : of what is explored

        Raises
        ------
        DataError
            There is no such page, or it lacks its item, cart or query.
        UnknownIdError
            `item` or something in `cart` is not in the catalogue.
        """
        state = self._state
        if options is not None:
            require_kind("options", options, PageOptions)
        if user is not None and len(listed("history", history)):
            raise DataError("page: given a user and a history; give only one")
        require_whole("seed", seed, least=0)
        composer = self._pages(state, options)
        who = [] if user is None else [text_of("user", user)]
        histories = state.log.histories(who, state.items) if who else _stranger(history, state.items)
        if name == "home":
            return composer.home(histories, carts=_stranger(cart, state.items) if cart else None, seed=seed)[0]
        if name == "new_arrivals":
            return composer.new_arrivals(histories, seed=seed)[0]
        if name == "detail" and item is not None:
            return composer.detail(state.items.rows([text_of("item", item)]), histories=histories, seed=seed)[0]
        if name == "cart" and cart:
            state.items.rows(strings("cart", cart))
            return composer.cart(_stranger(cart, state.items), histories=histories, seed=seed)[0]
        if name == "search" and query is not None:
            return composer.search([text_of("query", query)], histories=histories, seed=seed)[0]
        raise DataError(
            f"page {name!r}: expected home, new_arrivals, detail with item=, cart with cart=, or search with query="
        )

    def _pages(self, state: State, options: PageOptions | None) -> PageComposer:
        """The composer of this catalogue's pages; what it looks up of the log is that of the last fit."""
        held = self._composer
        if held is None or held[0] is not state.catalogue or held[1] is not state.log.base:
            log = state.log.base
            log = log if log.items is state.items else replace(log, items=state.items)
            dataset = Dataset(state.catalogue, log)
            least = state.popularity.least
            composer = PageComposer(LiveModel(state), dataset, popular_from=least)
            many = ChosenByMany.of(log, least) if least > 1 else None
            held = self._composer = (
                state.catalogue,
                state.log.base,
                composer,
                GoesWith.of(log, least_people=least),
                many,
            )
        return held[2].asking(
            LiveModel(state),
            similar=lambda rows, k: self._alike(state, rows, k, "both", state.among(None), held[4]),
            complements=held[3].complete,
            search=lambda queries, k: self._searched(state, list(queries), k),
            options=PageOptions() if options is None else options,
            allowed=state.alive,
        )

    def _searched(self, state: State, queries: list[str], k: int) -> Ranking:
        if state.words_and_meanings is None:
            return search_content(list(state.content.values()), {"text": queries}, k, candidates=state.among(None))[0]
        return search_words(state, queries, k, "both", None, state.among(None))[0]

    # ---- live

    def observe(self, events: Any) -> int:
        """Take in what users did just now; the next answer reads it. How many of the events count.

        Known and new users, items of the catalogue and items that came by `add`; events of unknown items are dropped,
        with a warning in the log. Nothing is trained.

        Parameters
        ----------
        events : a dataframe, a list of mappings, or `Interactions`
            With `user_id`, `item_id`, and where known `timestamp`, `event`, `weight`. Without a time an event happened
            now.

        Raises
        ------
        DataError
            A column is missing, or holds a value it must not; column and row are named.
        """
        with self._writing:
            self._state, taken, _ = observing.observe(self._state, events)
            return taken

    def add(self, catalogue: Catalogue, *, reviews: Reviews | None = None) -> None:
        """Take in new items: they are placed by what is known of them and answered from now on, without training.

        A model that places no items that came later does not recommend them before `refit`; `similar` by content and
        `search` find them at once.

        Parameters
        ----------
        catalogue : the new items alone
            Columns that the shop's catalogue has and this one lacks are unknown.
        reviews : of the new items, optional

        Raises
        ------
        DataError
            An item is known already, or the columns disagree in type with the catalogue's.
        """
        with self._learning, self._writing:
            self._state = changes.add(self._state, _catalogue("add", catalogue), reviews)

    def update(self, catalogue: Catalogue) -> None:
        """Take in other columns of known items: a price, a title, a picture. Columns that are not given stay.

        Items without events are placed anew; the others keep their place in the model until `refit`.

        Parameters
        ----------
        catalogue : the items that change, with the columns that change

        Raises
        ------
        DataError
            An item is not known, or a column holds another type than before.
        """
        with self._learning, self._writing:
            self._state = changes.update(self._state, _catalogue("update", catalogue))

    def expire(self, before: datetime | str | int) -> int:
        """Erase the events before a moment, and users who have no other; how many events there were.

        A log without times is left as it is. What a model learnt of them stays in its weights until `refit`.

        Parameters
        ----------
        before : a datetime, ISO text or milliseconds since 1970 UTC

        Raises
        ------
        DataError
            The moment cannot be read.
        """
        moment = moment_ms(before)
        with self._learning, self._writing:
            self._state, gone = forgetting.expire(self._state, moment)
            return gone

    def remove(self, items: Sequence[str]) -> None:
        """Answer `items` no more. They leave the catalogue; what users did with them still says something of users.

        Raises
        ------
        DataError
            An item is not known.
        """
        with self._learning, self._writing:
            self._state = changes.remove(self._state, strings("items", items))

    def forget(self, *, users: Sequence[str] = (), items: Sequence[str] = (), relearn: bool = True) -> None:
        """Erase users, with their events, facts and reviews, and items, with their events and content.

        Unknown ones are passed over. The model is then learnt anew from what is left (see `Model.relearn`): one in
        closed form, and `SharedSpace`, is what a fit without these users gives, and takes as long. Questions and events
        are taken meanwhile. What training has put into the weights of other models stays in them until
        `refit(from_scratch=True)`, and so does the id of an item. What was saved before stays on disk until it is saved
        again. Where learning fails with an error, the next call learns again, whomever it names.

        Parameters
        ----------
        users, items : ids
        relearn : optional
            False leaves every model as it is, where it will be replaced soon anyway.

        Raises
        ------
        DataError
            An id is not a string.
        """
        gone, named = strings("users", users), list(dict.fromkeys(strings("items", items)))
        with self._learning:
            with self._writing:
                state = self._state
                learnt = bool(gone) and forgetting.knows(state, gone)
                state = forgetting.forget(state, gone) if gone else state
                rows = state.items.rows(named, missing="mark")
                known = [item for item, row in zip(named, rows, strict=True) if row >= 0]
                self._state = state = forgetting.erase_items(state, known) if known else state
            if relearn and (learnt or self._owed):
                self._owed = True
                model, space = forgetting.relearnt(state)
                with self._writing:
                    self._state = self._state.changed(model=model, space=space)
                self._owed = False

    @property
    def model(self) -> Any:
        """What recommends; None where there was nothing to learn from."""
        return self._state.model

    def as_model(self) -> LiveModel:
        """What answers now, as a model over the rows of the whole catalogue; later changes do not reach it.

        For whoever asks in rows: `evaluate(recommender.as_model(), split)`, say.
        """
        return LiveModel(self._state)

    @property
    def vectors(self) -> Embeddings | None:
        """The vectors of items: the model's, or those of the first encoder where the model has none."""
        state = self._state
        if state.space is not None:
            return state.space.index.embeddings
        return next((one.embeddings for one in state.content.values()), None)

    @property
    def chosen(self) -> str:
        """Which model `model="auto"` kept, and by which figures; empty where the caller named one."""
        return self._state.chosen

    @property
    def catalogue(self) -> Catalogue:
        """The items there are, those added later included, those removed left out."""
        return self._state.living

    @property
    def reviews(self) -> Reviews | None:
        """What was written about the items; None where nothing was. Its rows are those of its own map of items."""
        return self._state.facts.reviews

    def histories(self, users: Sequence[str]) -> Interactions:
        """What each of `users` (ids) did, oldest first, the newest event included; nothing for unknown ones.

        Raises
        ------
        DataError
            An id is not a string, or is there twice.
        """
        state = self._state
        return state.log.histories(strings("users", users), state.items)

    @property
    def refused(self) -> pa.Table:
        """Content that could not be used, `id` and `reason`; such items are answered by what else they have."""
        return self._state.refused

    @property
    def dataset(self) -> Dataset:
        """All there is, what was observed included; as `refit` learns from it."""
        return self._state.dataset()

    def __repr__(self) -> str:
        state = self._state
        parts = [
            f"{len(state.living)} items",
            f"{len(state.log.base)} users",
            type(state.model).__name__,
            *state.content,
        ]
        return f"Recommender({', '.join(parts)})"

    def _alike(
        self, state: State, rows: I64, k: int, by: str, chosen: Bool | None, many: ChosenByMany | None = None
    ) -> Ranking:
        """What is alike; with `many`, what people did counts only for pairs that enough of them chose."""
        if by == "behaviour":
            return alike_by_behaviour(state, rows, k, chosen)
        if by == "content" or state.model is None:
            return alike_by_content(state, rows, k, chosen)
        paired = chosen
        if many is not None:
            paired = many.beside(rows) if chosen is None else many.beside(rows) & chosen
        if not state.content:
            return alike_by_behaviour(state, rows, k, paired)
        deeper = min(max(k, 100), len(state.items))
        both = [alike_by_behaviour(state, rows, deeper, paired), alike_by_content(state, rows, deeper, chosen)]
        return fused(both, len(rows), k)

    # ---- kept

    def save(self, folder: str | Path) -> None:
        """Write everything, what was observed included, to an artefact folder (see `mmreco.storage.artefact`).

        Raises
        ------
        DataError
            `folder` holds something else, or the model or an encoder is of a kind that cannot be stored.
        """
        state = self._state
        with publish(folder, type(self).__name__, about(state)) as path:
            save_state(state, path)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: str | None = None,
        index: Callable[[str, Embeddings], Searches] | None = None,
        popular_from: int = 1,
    ) -> "Recommender":
        """The recommender that `save` wrote.

        Parameters
        ----------
        folder : what `save` wrote
        device : "auto", "cpu" or "cuda", optional
            Another than the one it was fitted with.
        index : as `fit` took it, optional
            An index of the caller's is not stored; it is made again.
        popular_from : 1 or more
            Distinct people from whom on an item counts as popular; what fewer turned to comes after that, in an order
            that says nothing of people.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds something else, or was written by a version this one does not read.
        """

        people = require_whole("popular_from", popular_from)

        def read(artefact: Artefact) -> "Recommender":
            manifest = artefact.about
            indexing = Indexing(manifest["quality"], device or manifest["device"], index)
            state = load_state(artefact.path, manifest, indexing)
            return cls(replace(state, popularity=replace(state.popularity, least=people)))

        return read_artefact(folder, cls.__name__, read)


def _unlock_all() -> None:
    """In a forked child the threads that held a lock are not there to let go of it; each state is whole as it is."""
    for recommender in list(_ALIVE):
        recommender._unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_all)


def _model(model: Recommends | None, dataset: Dataset, device: str) -> Recommends | None:
    if model is None:
        if (dataset.interactions.lengths > 1).any():
            return SharedSpace(training=Training(device=device))
        return ContentKNN() if dataset.content else None
    if isinstance(model, type) or not isinstance(model, Recommends):
        raise DataError(
            f'model: {model!r} does not recommend; expected a model, e.g. EASE(), "auto", or None for SharedSpace()'
        )
    return model


def _state(
    dataset: Dataset,
    model: Recommends | None,
    content: dict[str, ContentIndex],
    refused: pa.Table,
    indexing: Indexing,
) -> State:
    log = dataset.interactions
    opening = None
    if not log.n_events:
        opening = opening_order(dataset.catalogue, [one.embeddings for one in content.values()])
    return State(
        catalogue=dataset.catalogue,
        content=content,
        model=model,
        model_items=dataset.items,
        space=ItemSpace.of(model, indexing) if isinstance(model, VectorModel) else None,
        lexical=LexicalIndex.build(dataset.catalogue) if _written(dataset.catalogue) else None,
        log=EventLog(log),
        popularity=Popularity.of(log, opening),
        refused=refused,
        indexing=indexing,
        repeats=repeat_share(log) >= REPEATING,
        reviews=dataset.reviews,
        users=dataset.users,
    )


def _stranger(history: Sequence[str], items: IdMap) -> Interactions:
    return Interactions.from_histories([strings("history", history)], items=items)


def _shown(query: str | Path | bytes) -> str:
    return "a picture" if isinstance(query, bytes) else str(query)


def _written(catalogue: Catalogue) -> bool:
    return any(catalogue.has(column) for column in FIELDS)


def _one_each(state: State, questions: Sequence[str]) -> Interactions:
    """A history a question, where the same user asks twice with different filters."""
    distinct = list(dict.fromkeys(questions))
    histories = state.log.histories(distinct, state.items)
    place = np.array([distinct.index(user) for user in questions], dtype=np.int64)
    lengths = histories.lengths[place]
    flat = np.concatenate([np.arange(histories.starts[p], histories.starts[p + 1]) for p in place]).astype(np.int64)
    users = IdMap.of([str(line) for line in range(len(questions))])
    return histories.regrouped(users, np.concatenate([[0], np.cumsum(lengths)]), flat)


def _stacked(parts: list[Ranking], k: int) -> Ranking:
    if not parts:
        return Ranking(np.zeros((0, k), dtype=np.int64), np.zeros((0, k), dtype=np.float32))
    return Ranking(np.concatenate([one.rows for one in parts]), np.concatenate([one.scores for one in parts]))


def _catalogue(verb: str, given: Any) -> Catalogue:
    if not isinstance(given, Catalogue):
        raise DataError(
            f"{verb}: given a {type(given).__name__}; expected a Catalogue, e.g. Catalogue.from_frame(table)"
        )
    return given
