"""SharedSpace: users and items as vectors in one space, whatever is known of them.

Two towers meet. The item tower fuses an item's id, contents and attributes into one vector; the user tower
reads a history of such vectors, a basket a step. Both are trained by a softmax over items for what comes next at every
step of every history, so items nobody clicked are placed by their content, and a stranger is a history like any other.
Where the log has dates, a second user vector is trained for what comes within a horizon. Both know when it is asked.
What pairs of items say of each other, and what is wanted now or at this time of the year, stand beside the towers'
vectors as far as a look at the log's own past finds that they help (`mmreco.models.sharedspace.answers`).

Sources: Kang & McAuley, "Self-attentive sequential recommendation", 2018 (the causal Transformer); Klenitskiy &
Vasilev, "Turning dross into gold loss: is BERT4Rec really better than SASRec?", 2023 (softmax in place of binary
cross-entropy); Hou et al., "Towards universal sequence representation learning for recommender systems", 2022 (text
read by the user tower, cosine with a temperature); Volkovs et al., "DropoutNet", 2017 (hiding ids in training); Joulin
et al., "Bag of tricks for efficient text classification", 2017 (a title as the sum of its words' vectors; see
`mmreco.with_title_tokens`). Deviates by hiding an id the less the more events have taught it, by normalising item
vectors, by negatives shared by a batch and corrected for how they were drawn, by never drawing an item without events
as a negative, as nobody was offered it, by drawing items that few events have taught towards those of like content
(`mmreco.models.sharedspace.neighbours`), and by letting items without events lean towards the mean_user.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Self, final, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mmreco import metrics
from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.data.users import Users
from mmreco.encoders.baskets import Baskets
from mmreco.encoders.behaviour import BehaviourEncoder
from mmreco.errors import DataError, IncompatibleError
from mmreco.index.vector import VectorIndex
from mmreco.models.base import State, VectorModel
from mmreco.models.parameters import require
from mmreco.models.sharedspace import training
from mmreco.models.sharedspace.answers import ASKED, Answers, Weights
from mmreco.models.sharedspace.cold_start import COLD_SHARE, HELD_SHARE, leaning, raising, shift_towards, some
from mmreco.models.sharedspace.content import item_content, newcomers, placed
from mmreco.models.sharedspace.held_back import bars, search_held_back
from mmreco.models.sharedspace.horizon import Target, asks_next, horizon_of, later_half, reach_of
from mmreco.models.sharedspace.neighbours import Neighbours
from mmreco.models.sharedspace.repeats import had_again, merged, owned
from mmreco.models.sharedspace.user_facts import MOST, UserFacts
from mmreco.models.sharedspace.visits import asked_in_visits
from mmreco.models.trained import Trained
from mmreco.models.validation import held_out
from mmreco.nn.batching import batch_size, batches, windows
from mmreco.nn.behaviour import WAITS, BehaviourTower, Reader
from mmreco.nn.fusion import Fusion, ItemTower, widths_of
from mmreco.nn.negatives import Negatives
from mmreco.nn.process_group import crew
from mmreco.nn.towers import ItemContent, Towers
from mmreco.protocols import HoldsVectors, Searches
from mmreco.splitting import Holdout
from mmreco.text.title_tokens import with_title_tokens

__all__ = ["SharedSpace"]

_NEGATIVES = 2_048  # items a batch is contrasted with
_HEADS = 1
_LIST = 10  # places of the lists that new items have their share of
_ENOUGH_NEW = 20  # new items that can speak for themselves; with fewer, known ones play their part
_LISTS, _JUDGED = 1_000, 5_000  # users and items looked at to see how far new ones must lean
_TEMPERATURE = 0.07  # at the start; it is learnt


@final
@dataclass(kw_only=True, eq=False)
class SharedSpace(Trained[Towers], VectorModel):
    """Users and items in one space, trained on behaviour; serves new items with content and new users with a history.

    It reads the dataset's interactions, its content vectors, and of the catalogue `category`, `brand`, `price` and the
    words of `title`, those there are.

    Parameters
    ----------
    dim : 1 or more
        Width of the space.
    reader : "transformer", "gru" or "lstm"
        What reads a history.
    depth : 1 or more
        Layers of the reader.
    fusion : "gated", "concat" or "attention"
        How an item's id, contents and attributes become one vector.
    dropout : from 0 to below 1
        Share of values hidden in training.
    max_length : 1 or more
        Steps of a history that are read, the latest; a step is all that happened at one moment.
    target : "auto", "next" or "horizon"
        What is foretold: the next basket, or all that comes within the latest tenth of the log. Of "horizon" the
        weights of all evidence, and the number of passes, are found by training without that tenth and asking for it;
        the space itself is trained on everything after that. "auto" is "horizon" where the log has dates, but "next"
        where the validation handed in asks everybody for one basket alone. What is asked within half an hour of the
        newest event, or without saying when, is answered by weights found for what comes right after, where these help;
        where enough is asked so, it counts as much for the number of passes.
    training : how it is trained, see `Training`

    Attributes
    ----------
    scores_ : NDCG@10 at each look at validation; its geometric mean over both questions where visits are asked, too
    epochs_ : the pass in or after which the weights were as they are kept
    continued_ : whether training began from the weights of another fit; true of an artefact that does not say
    weights_ : how much each kind of evidence counts, see `Weights`
    again_ : how often each item is had again, see `repeats.had_again`
    cold_bias_ : how far items without events lean towards the mean user
    user_facts_ : where shoppers lie by what is known of them; None where the dataset has no `users`
    new_ : which items have no events but content, shape `(n_items,)`, and are held back (see `held_back.py`); None
        with ids alone
    neighbours_ : what items of few events are drawn towards (see `neighbours.py`); None with ids alone
    seconds_ : how long `fit` took; NaN once loaded

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco import Dataset, IdMap, Training
    >>> shop = IdMap.of(["hat", "cap", "shoe", "sock"])
    >>> events = Interactions.from_histories([["hat", "cap"], ["shoe", "sock"], ["cap", "hat"]], items=shop)
    >>> space = SharedSpace(dim=8, training=Training(epochs=1)).fit(Dataset.from_interactions(events))
    >>> space.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=2)
    Ranking(1 questions x 2)
    """

    dim: int = 64
    reader: Reader = "transformer"
    depth: int = 2
    fusion: Fusion = "gated"
    dropout: float = 0.2
    max_length: int = 200
    target: Target = "auto"

    _horizon = None  # milliseconds; told by the log when it is fitted

    def __post_init__(self) -> None:
        super().__post_init__()
        self._visits: Holdout | None = None  # what a rehearsal asks in visits
        for name in ("dim", "depth", "max_length"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")
        require(self.reader in get_args(Reader), "reader", self.reader, f"one of {get_args(Reader)}")
        require(self.fusion in get_args(Fusion), "fusion", self.fusion, f"one of {get_args(Fusion)}")
        require(self.target in get_args(Target), "target", self.target, f"one of {get_args(Target)}")

    # ---- fit

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        begun = perf_counter()
        dataset = _in_order(dataset)
        log = dataset.interactions
        self._horizon = horizon_of(log, self.target)
        if self.target == "auto" and validation is not None and asks_next(validation):
            self._horizon = None
        if self.training.patience is None:
            weights = self._trained(dataset, None, progress)
        elif validation is not None:
            weights = self._trained(dataset, validation, progress)
        elif self._horizon is not None:
            weights = self._rehearsed(dataset, *later_half(log), progress)
        else:
            train, validation = held_out(log, self.training.seed)
            weights = self._trained(dataset.with_interactions(train), validation, progress)
        self._answer_by(log, weights)
        self._learn_facts(dataset)
        self.seconds_ = perf_counter() - begun

    def relearn(self, dataset: Dataset) -> Self:
        """Another space, which never saw who is gone: trained anew on what `dataset` has left, from the same seed.

        The number of passes and the weights of all evidence are those that the fit has found, so nothing is held out
        and no pass is made in vain. A space that was trained from the weights of another fit, or of whose users too few
        are left to look ahead as far as it did, looks for them itself.

        Raises
        ------
        NotFittedError, DataError
            As `Model.relearn`.

        Notes
        -----
        Less leaves traces. With vectors of their items drawn anew and half the passes from the weights there were, who
        had gone was still told from a fit without them (docs/log.md).
        """
        self._require_fitted()
        left = _in_order(dataset)
        if not left.interactions.n_events:
            raise DataError(f"{left.interactions!r}: nobody is left to learn from")
        horizon = None if self._horizon is None else horizon_of(left.interactions, self.target)
        if self.continued_ or (horizon is None and self._horizon is not None):
            return self.unfitted().fit(left)
        training = replace(self.training, epochs=max(1, self.epochs_), patience=None, minutes=None, checkpoint=None)
        other = replace(self, training=training)
        other._horizon = horizon
        other._trained(left, None, progress=False)
        other.training, other.scores_, other.epochs_ = self.training, self.scores_, self.epochs_
        other._answer_by(left.interactions, replace(self.weights_, horizon=horizon))
        other._learn_facts(left)
        return other

    def _trained(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> Weights:
        """Train the towers, and find the weights of all evidence by the same validation."""
        self.weights_ = self._towers_alone()
        self.answers_: Answers | None = None
        self.new_: Bool | None = None
        super()._fit(dataset, validation, progress)
        if validation is None:
            return self.weights_
        rng = np.random.default_rng(self.training.seed)
        asked = validation.take(some(np.arange(len(validation)), ASKED, rng))
        both = self.behaviour().directions(asked.histories, at=asked.at)
        return Weights.found(
            dataset.interactions,
            asked,
            users=both if self._horizon is not None else both[:1],
            places=self.places_.vectors,
            horizon=self._horizon,
            seed=self.training.seed,
        )

    def _learn_facts(self, dataset: Dataset) -> None:
        """Find where users lie by what is known of them."""
        self.user_facts_: UserFacts | None = None
        if dataset.users is not None:
            log = dataset.interactions
            rng = np.random.default_rng(self.training.seed)
            rows = some(np.flatnonzero(log.lengths), MOST, rng)
            answers = self.answers_
            self.answers_ = None if answers is None else answers.outside_visits()  # whoever has no event is in none
            self.user_facts_ = UserFacts.fit(dataset.users.take(rows), self.user_vectors(log.take(rows)))
            self.answers_ = answers

    def _rehearsed(self, dataset: Dataset, earlier: Interactions, asked: Holdout, progress: bool) -> Weights:
        """Train on the log without its latest tenth to find weights and passes, then on all of it."""
        whole = self.training
        folder = None if whole.checkpoint is None else Path(whole.checkpoint)
        minutes = None if whole.minutes is None else whole.minutes / 2
        trial = replace(
            self, training=replace(whole, minutes=minutes, checkpoint=None if folder is None else folder / "earlier")
        )
        trial._horizon = self._horizon
        trial.items_ = dataset.items
        assert asked.at is not None
        trial._visits = asked_in_visits(dataset.interactions, int(asked.at.min()), ASKED, self.training.seed)
        weights = trial._visited(earlier, trial._trained(dataset.with_interactions(earlier), asked, progress))
        self.training = replace(
            whole,
            epochs=max(1, trial.epochs_),
            patience=None,
            minutes=minutes,
            checkpoint=None if folder is None else folder / "whole",
        )
        try:
            self._trained(dataset, None, progress)
        finally:
            self.training = whole
        self.scores_, self.epochs_ = trial.scores_, trial.epochs_
        return weights

    def _ndcg(self, holdout: Holdout) -> float:
        """NDCG@10 of what is held out; where visits are asked about too, its geometric mean with theirs."""
        later, visits = super()._ndcg(holdout), self._visits
        if visits is None:
            return later
        following, _ = self.behaviour().directions(visits.histories, at=visits.at)
        ranking = self.index.search(following, _LIST, exclude=visits.histories)
        return float(np.sqrt(later * np.nanmean(metrics.ndcg(ranking, visits.targets))))

    def _visited(self, log: Interactions, weights: Weights) -> Weights:
        """The weights with those of questions in visits, where these are asked about (see `visits.py`)."""
        asked = self._visits
        if asked is None:
            return weights
        both = self.behaviour().directions(asked.histories, at=asked.at)
        return Answers.of(log, weights, self.training.seed).with_visits(log, asked, *both, self.places_.vectors)

    def _towers_alone(self) -> Weights:
        later = self._horizon is not None
        return Weights(0.0 if later else 1.0, 1.0 if later else 0.0, horizon=self._horizon)

    def _answer_by(self, log: Interactions, weights: Weights) -> None:
        """Put all evidence that counts beside the towers' vectors."""
        self.weights_ = weights
        self.again_ = had_again(log)
        self.answers_ = None
        if not weights.plain:
            self.answers_ = Answers.of(log, weights, self.training.seed)
            self._raise_cold(log)
        self._take_places(self.places_.vectors, self.cold_user_vector_)

    def _raise_cold(self, log: Interactions) -> None:
        """Let items without events have their share of the lists in which all evidence counts (see `cold_start.py`)."""
        answers, cold = self.answers_, log.counts() == 0
        assert answers is not None
        self.answers_ = answers.outside_visits()
        n_known = int((~cold).sum())
        rng = np.random.default_rng(self.training.seed)
        sample = log.take(some(np.flatnonzero(log.lengths), _LISTS, rng))
        self._take_places(self.places_.vectors, self.cold_user_vector_)
        users = self.user_vectors(sample)
        lists = self.recommend(histories=sample, k=min(_LIST, n_known), candidates=~cold).scores  # (u, k)
        alone = self.places_.vectors[some(np.flatnonzero(cold if cold.sum() >= _ENOUGH_NEW else ~cold), _JUDGED, rng)]
        shown, raised = np.isfinite(lists), 0.0
        if shown.any():  # somebody has not had everything yet
            full = np.where(shown, lists, np.float32(lists[shown].min()))
            full, share = self._places_due(full)
            raised = raising(users[:, : self.dim] @ alone.T, full, share=share / n_known)
        self.answers_ = answers.with_cold(raised, cold)

    def _prepare(self, dataset: Dataset, train: Interactions) -> None:
        self._attributes = Attributes.from_catalogue(with_title_tokens(dataset.catalogue))
        self._content = {name: vectors for name, vectors in sorted(dataset.content.items()) if len(vectors)}
        self._widths = {name: vectors.dim for name, vectors in self._content.items()}
        self.vocabulary_ = self._attributes.take([])
        self.event_names_ = train.event_names

    def _network(self, n_items: int) -> Towers:
        items = ItemTower(
            self.dim,
            n_ids=n_items,
            widths=self._widths,
            n_attributes=len(self.vocabulary_.names),
            fusion=self.fusion,
        )
        users = BehaviourTower(
            self.reader,
            self.dim,
            depth=self.depth,
            heads=_HEADS,
            dropout=self.dropout,
            n_events=1 + len(self.event_names_),
            horizon=self._horizon is not None,
        )
        return Towers(items, users, temperature=_TEMPERATURE)

    def _carried(self, after: "SharedSpace") -> dict[str, Tensor]:  # type: ignore[override]
        """All weights; those of attributes only where these are the same."""
        same = after.vocabulary_.names == self.vocabulary_.names
        weights = self.network_.state_dict()
        return {name: weight for name, weight in weights.items() if same or not name.startswith("items.facts")}

    def _begin(self, dataset: Dataset, train: Interactions) -> None:
        counts, device = train.counts(), self._device
        named = np.where(counts > 0, np.arange(len(counts)), -1)
        self._known = item_content(dataset.items, named, self._content, self._attributes, self.network_, learn=True)
        self._hidden = training.id_dropout(self._known, counts)
        self._negatives = Negatives(torch.from_numpy(np.flatnonzero(counts)).to(device), _NEGATIVES)

    def _losses(self, train: Interactions, rng: np.random.Generator, done: float) -> Iterator[Tensor]:
        baskets, together = Baskets.of(train), crew()
        cut = windows(baskets.user_starts, self.max_length)
        reach = None if self._horizon is None else reach_of(baskets, self._horizon)
        for group in batches(cut, batch_size(int(cut[:, 1].sum()), len(train.items)), rng):
            own, share = together.part(cut[group])
            yield share * training.batch_loss(
                self.network_, self._known, baskets, own, self._negatives, self._hidden, rng, reach
            )

    def _optimiser(self) -> torch.optim.Optimizer:
        return training.optimiser(self.network_, self.training.learning_rate)

    def _averaging(self, train: Interactions) -> float:
        n_steps = self._steps(train)
        return training.averaging(n_steps // batch_size(n_steps, len(train.items)))

    def _compiled(self, train: Interactions) -> AbstractContextManager[None]:
        return training.compiled(self.network_, self._steps(train))

    def _steps(self, train: Interactions) -> int:
        return int(windows(Baskets.of(train).user_starts, self.max_length)[:, 1].sum())

    def _learnt_from(self) -> list[npt.NDArray[Any]]:
        vectors = [values.cpu().numpy() for pair in self._known.contents.values() for values in pair]
        return [self._known.attributes.cpu().numpy(), *vectors]

    def _settle(self) -> None:
        self._take_places(placed(self.network_, self._known), np.zeros(self.dim, dtype=np.float32))

    def _finish(self, train: Interactions) -> None:
        self._smooth(train, self._known)
        self._place_cold(train, self._known)
        del self._attributes, self._content, self._known, self._hidden, self._negatives

    def _smooth(self, train: Interactions, known: ItemContent) -> None:
        """Draw known items towards their neighbours, then new ones (see `neighbours.py`)."""
        counts, described = train.counts(), known.described.cpu().numpy()
        if not described.any():
            self.neighbours_ = None
            return
        self.new_ = (counts == 0) & described
        own, alone = self.places_.vectors, placed(self.network_, known.without_ids())
        self.neighbours_ = Neighbours(train.items, alone * ((counts > 0) & described)[:, None], self.network_.scale)
        self._take_places(self.neighbours_.smooth_all(own, alone, counts), self.cold_user_vector_)

    def _new_places(self, known: ItemContent, rows: I64 | None = None) -> F32:
        """Where items without events lie before they lean, shape `(m, dim)`; `rows` as in `Neighbours.smooth`."""
        alone = placed(self.network_, known.without_ids())
        if self.neighbours_ is None:
            return alone
        fully = np.ones(len(alone), np.float32)
        return self.neighbours_.smooth(alone, alone, fully, self.places_.vectors, rows=rows)

    def _place_cold(self, train: Interactions, known: ItemContent) -> None:
        """Find where the mean user lies, and let items without events lean there (see `cold_start.py`)."""
        clicked = train.counts() > 0
        rng = np.random.default_rng(self.training.seed)
        sample = train.take(some(np.flatnonzero(train.lengths), _LISTS, rng))
        users = self.user_vectors(sample)  # (u, dim)
        mean_user = users.mean(axis=0)
        mean_user = (mean_user / np.linalg.norm(mean_user)).astype(np.float32)
        vectors, described = self.places_.vectors.copy(), known.described.cpu().numpy()
        new = ~clicked & described
        alone = vectors[some(np.flatnonzero(new), _JUDGED, rng)]
        if len(alone) < _ENOUGH_NEW:
            judged = some(np.flatnonzero(clicked & described), _JUDGED, rng)
            alone = self._new_places(known.of(torch.from_numpy(judged).to(known.identity.device)), judged)
        self.cold_bias_ = 0.0
        if len(alone):
            n_known = int(clicked.sum())
            lists = self.recommend(histories=sample, k=min(_LIST, n_known), candidates=clicked).scores  # (u, k)
            lists, share = self._places_due(lists)
            self.cold_bias_ = leaning(users, lists, alone, mean_user, share=share / n_known)
            vectors[new] = shift_towards(vectors[new], mean_user, self.cold_bias_)
        vectors[~clicked & ~described] = -mean_user  # nothing is known of these: behind all others
        self._take_places(vectors, mean_user)

    def _places_due(self, lists: F32) -> tuple[F32, float]:
        """What a new item must score for each place of these lists, and what is due to it for an average item's."""
        return (lists, COLD_SHARE) if self.new_ is None else (bars(lists), HELD_SHARE)

    def _take_places(self, places: F32, cold_user_vector: F32) -> None:
        digest = hashlib.sha256(places.tobytes()).hexdigest()
        self.places_ = self.embeddings_ = Embeddings(self.items_, places, f"SharedSpace {digest}")
        self.cold_user_vector_ = frozen(cold_user_vector, np.float32)
        if self.answers_ is not None:
            self.embeddings_ = Embeddings(self.items_, self.answers_.items(places), self.places_.fingerprint)

    # ---- asked

    def user_vectors(
        self,
        histories: Interactions,
        *,
        items: HoldsVectors | None = None,
        facts: Users | None = None,
        at: I64 | None = None,
    ) -> F32:
        """What each user is answered by, shape `(n, width)`; an empty history lies among the popular items.

        Its inner product with an item's vector is the item's score. Where the towers alone answer, both are of unit
        length.

        Parameters
        ----------
        histories : `n` users, trained on or not
        items : optional
            The items' vectors to read the histories with when they hold items that came later (see `place`).
        facts : of the same users, optional
            Whoever has no event lies where those of like facts do, if the space was fitted with any.
        at : shape `(n,)`, milliseconds since 1970 UTC, optional
            When each is asked about; just after the newest event of each when omitted. How long ago events were counts
            only where they have times.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        IncompatibleError
            `histories` are over other items.
        """
        self._require_fitted()
        following, later = self.behaviour(items).directions(histories, at=at)
        if self.answers_ is None:
            vectors = later if self.weights_.later else following
        else:
            vectors = self.answers_.users(following, later, histories, at)
        if facts is not None and self.user_facts_ is not None:
            silent = np.flatnonzero(histories.lengths == 0)
            told, known = self.user_facts_.read(facts.take(silent))
            vectors[silent[known]] = told[known]
        return vectors

    def placed_by_facts(self, users: Users) -> Bool:
        """Which of `users` are placed by what is known of them, without any event; shape `(n,)`."""
        if self.user_facts_ is None:
            return super().placed_by_facts(users)
        return self.user_facts_.read(users)[1]

    def recommend_from(self, index: Searches, request: Request, *, items: HoldsVectors | None = None) -> Ranking:
        """The answer from another index of the item vectors; see `VectorModel.recommend_from`.

        Items without events are held back towards the tenth known one (see `held_back.py`). Where what was had may be
        answered, how often and how long ago it was had counts too. Both exactly.

        Parameters
        ----------
        index, request, items : as `VectorModel.recommend_from`

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        IncompatibleError
            The request is over other items than `items`, or than those fitted on.
        """
        queries = self.user_vectors(request.histories, items=items, facts=request.facts, at=request.at)
        repeats, n_items = self.weights_.repeats, len(request.histories.items)
        if request.exclude_seen or repeats is None:
            return self._best(index, queries, request.k, n_items, request.candidates, request.excluded)
        unseen = replace(request, exclude_seen=True).excluded
        others = self._best(index, queries, request.k, n_items, request.candidates, unseen)
        had = owned(request.histories, self.again_).allowed(request)
        own = (self.embeddings_ if items is None else items).vectors_of(had.items)
        scores = np.einsum("pd,pd->p", queries[had.users], own) + repeats.added(had)
        return merged(others, had, scores, request.k)

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each user vector, new ones held back as in `recommend`; see `VectorModel.search`.

        Parameters
        ----------
        queries, k, where, exclude : as `VectorModel.search`

        Raises
        ------
        NotFittedError, DataError, IncompatibleError
            As `VectorModel.search`.
        """
        return self._best(self.index, queries, k, len(self.items_), where, exclude)

    def _best(
        self, index: Searches, queries: F32, k: int, n_items: int, where: Bool | None, exclude: Interactions | None
    ) -> Ranking:
        """The best of an index of `n_items`, new ones held back."""
        if self.new_ is None:
            return index.search(queries, k, where=where, exclude=exclude)
        return search_held_back(index, queries, k, new=self.new_, n_items=n_items, where=where, exclude=exclude)

    def behaviour(self, items: HoldsVectors | None = None) -> BehaviourEncoder:
        """The user tower as an encoder of histories over `items`, those fitted on when omitted (see `user_vectors`)."""
        self._require_fitted()
        return BehaviourEncoder(
            tower=self.network_.users,
            items=self.places_ if items is None else items,
            event_names=self.event_names_,
            cold_user_vector=self.cold_user_vector_,
            max_length=self.max_length,
        )

    def directions(self, vectors: F32) -> F32:
        """The places in the space, the first `dim` columns of `vectors`, at unit length.

        See `VectorModel.directions`.
        """
        return super().directions(vectors[:, : self.dim])

    def _directions(self) -> VectorIndex:
        """The index over the items' places alone, by which they are like each other."""
        held: tuple[Embeddings, VectorIndex] | None = self.__dict__.get("_unit_index")
        if held is None or held[0] is not self.places_:
            held = self.__dict__["_unit_index"] = (self.places_, VectorIndex(self.places_))
        return held[1]

    def place(self, catalogue: Catalogue, content: Mapping[str, Embeddings]) -> Embeddings:
        """The places of items nobody has clicked yet: by their content and attributes, near known items like them.

        Parameters
        ----------
        catalogue : the new items
        content : their vectors by name, as the dataset had them that was fitted on; items may lack any

        Returns
        -------
        Embeddings
            Every item that has some content or attribute; compare with `item_embeddings`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        IncompatibleError
            A name or a width is not one of those fitted on.
        """
        self._require_fitted()
        attributes = self.vocabulary_.describe(with_title_tokens(catalogue))
        items, known = newcomers(content, attributes, self.network_, self.vocabulary_.names)
        places = shift_towards(self._new_places(known), self.cold_user_vector_, self.cold_bias_)
        vectors = places if self.answers_ is None else self.answers_.new_items(places)
        return Embeddings(items, vectors, self.embeddings_.fingerprint)

    # ---- kept

    def _state(self) -> State:
        cuts = {column: list(values) for column, values in self.vocabulary_.cuts.items()}
        weights = asdict(self.weights_)
        told = self.user_facts_
        facts = None if told is None else [told.vocabulary.names, {c: list(v) for c, v in told.vocabulary.cuts.items()}]
        said = [self.event_names_, self.vocabulary_.names, self.cold_bias_, cuts, weights, facts]
        about = json.dumps(said).encode()
        places = {"vectors": self.places_.vectors, "cold_user": self.cold_user_vector_, "again": self.again_}
        if told is not None:
            places |= {"facts.mean": told.mean, "facts.pulls": told.pulls}
        if self.answers_ is not None:
            places |= self.answers_.state()
        alone: State = {} if self.neighbours_ is None else {"alone": self.neighbours_.alone}
        if self.new_ is not None:
            alone["new"] = self.new_
        return {**super()._state(), **places, **alone, "about": np.frombuffer(about, dtype=np.uint8)}

    def _restore(self, state: State) -> None:
        if "about" not in state:
            raise IncompatibleError("SharedSpace: saved by mmreco 0.1; fit it again on the same dataset and save")
        event_names, names, self.cold_bias_, cuts, weights, *facts = json.loads(state["about"].tobytes())
        self.user_facts_ = None
        if facts and facts[0] is not None:
            told, ranges = facts[0]
            self.user_facts_ = UserFacts.of(told, ranges, state["facts.mean"], state["facts.pulls"])
        self.weights_ = Weights.of(weights)
        self._horizon = self.weights_.horizon
        self.again_ = state.get("again", np.zeros(len(self.items_), dtype=np.float32))
        self.answers_ = None if self.weights_.plain else Answers.of_state(self.weights_, state)
        self.event_names_ = tuple(event_names)
        nothing = np.zeros(0, dtype=np.int64)
        self.vocabulary_ = Attributes(
            IdMap.of([]), tuple(names), np.zeros(1, dtype=np.int64), nothing, {c: tuple(v) for c, v in cuts.items()}
        )
        weights = {n.removeprefix("network."): torch.tensor(w) for n, w in state.items() if n.startswith("network.")}
        self._widths = widths_of(weights, "items.")
        silent = np.zeros((WAITS, self.dim), dtype=np.float32)  # artefacts of before know of no time of asking
        self._restore_network({"network.users.waits": silent, **state})
        self._take_places(state["vectors"], state["cold_user"])
        self.new_ = state.get("new")  # unknown to artefacts of before, which hold nothing back
        alone = state.get("alone")
        self.neighbours_ = None if alone is None else Neighbours(self.items_, alone, self.network_.scale)


def _in_order(dataset: Dataset) -> Dataset:
    """The dataset with its users in the order of their ids, where the order of a dated log's rows says nothing."""
    log = dataset.interactions
    if log.times is None:
        return dataset
    return dataset.with_interactions(log.take(np.argsort(np.array(log.users.array.to_pylist(), dtype=object))))
