"""SharedSpace: users and items as vectors in one space, whatever is known of them.

Two towers meet. The item tower fuses an item's id, contents and attributes into one vector; the user tower
reads a history of such vectors. Both are trained by a softmax over items for the next event at every step of
every history, so items nobody clicked are placed by their content, and a stranger is a history like any other.

Sources: Kang & McAuley, "Self-attentive sequential recommendation", 2018 (the causal Transformer); Klenitskiy &
Vasilev, "Turning dross into gold loss: is BERT4Rec really better than SASRec?", 2023 (softmax in place of binary
cross-entropy); Hou et al., "Towards universal sequence representation learning for recommender systems", 2022 (text
read by the user tower, cosine with a temperature); Volkovs et al., "DropoutNet", 2017 (hiding ids in training); Joulin
et al., "Bag of tricks for efficient text classification", 2017 (a title as the sum of its words' vectors; see
`mmreco.with_title_tokens`). Deviates by hiding an id the less the more events have taught it, by normalising item
vectors, by negatives shared by a batch and corrected for how they were drawn, by never drawing an item without events
as a negative, as nobody was offered it, by drawing items that few events have taught towards those of like content
(`mmreco.models.sharedspace.neighbours`), and by letting items without events lean towards the crowd.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Self, final, get_args

import numpy as np
import torch
from torch import Tensor

from mmreco import metrics
from mmreco.arrays import F32, I64, frozen
from mmreco.data.attributes import Attributes
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.encoders.behaviour import BehaviourEncoder
from mmreco.errors import DataError, IncompatibleError
from mmreco.models.base import State, VectorModel
from mmreco.models.sharedspace import training
from mmreco.models.sharedspace.cold_start import COLD_SHARE, leaning, shift_towards, some
from mmreco.models.sharedspace.content import item_content, newcomers, placed
from mmreco.models.sharedspace.neighbours import Neighbours
from mmreco.models.trained import require
from mmreco.models.validation import held_out, looks
from mmreco.nn.batching import batch_size, batches, windows
from mmreco.nn.behaviour import BehaviourTower, Reader
from mmreco.nn.device import chosen
from mmreco.nn.fusion import Fusion, ItemTower, widths_of
from mmreco.nn.negatives import Negatives
from mmreco.nn.process_group import crew
from mmreco.nn.towers import ItemContent, Towers
from mmreco.nn.training_loop import train as train_loop
from mmreco.progress import progress as shown_progress
from mmreco.splitting import Holdout

__all__ = ["SharedSpace"]

_NEGATIVES = 2_048  # items a batch is contrasted with
_HEADS = 1
_LIST = 10  # places of the lists that new items have their share of
_ENOUGH_NEW = 20  # new items that can speak for themselves; with fewer, known ones play their part
_LISTS, _JUDGED = 1_000, 5_000  # users and items looked at to see how far new ones must lean
_TEMPERATURE = 0.07  # at the start; it is learnt


@final
@dataclass(kw_only=True, eq=False)
class SharedSpace(VectorModel):
    """Users and items in one space, trained on behaviour, reaching whoever has content or a history.

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
        Events of a history that are read, the latest.
    learning_rate : above 0
        Step size of AdamW.
    epochs : 1 or more
        Passes over the events at most.
    patience : 1 or more, or None
        Passes without a better NDCG@10 on validation before training stops; None trains all `epochs` on all events
        and never looks. There is a look after each pass, and up to three within one of more than 250,000 events.
    minutes : above 0, or None
        Training ends at the first look after so long; None for no limit.
    seed, device : as everywhere
        Same seed, same machine, same result. `device` is "auto", "cpu" or "cuda".

    Attributes
    ----------
    scores_ : NDCG@10 at each look at validation
    epochs_ : the pass in or after which the weights were as they are kept
    cold_bias_ : how far items without events lean towards the crowd
    neighbours_ : what items of few events are drawn towards (see `neighbours.py`); None with ids alone
    seconds_ : how long `fit` took; NaN once loaded

    Raises
    ------
    DataError
        A parameter is outside its range.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> shop = IdMap.of(["hat", "cap", "shoe", "sock"])
    >>> events = Interactions.from_histories([["hat", "cap"], ["shoe", "sock"], ["cap", "hat"]], items=shop)
    >>> space = SharedSpace(dim=8, epochs=1).fit(events)
    >>> space.recommend(Interactions.from_histories([["hat"]], items=shop), k=2)
    Ranking(1 questions x 2)
    """

    dim: int = 64
    reader: Reader = "transformer"
    depth: int = 2
    fusion: Fusion = "gated"
    dropout: float = 0.2
    max_length: int = 200
    learning_rate: float = 0.003
    epochs: int = 30
    patience: int | None = 5
    minutes: float | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "max_length", "epochs"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        require(self.patience is None or self.patience >= 1, "patience", self.patience, "1 or more, or None")
        require(self.minutes is None or self.minutes > 0, "minutes", self.minutes, "above 0, or None")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        require(self.reader in get_args(Reader), "reader", self.reader, f"one of {get_args(Reader)}")
        require(self.fusion in get_args(Fusion), "fusion", self.fusion, f"one of {get_args(Fusion)}")
        chosen(self.device)

    # ---- fit

    def fit(
        self,
        train: Interactions,
        *,
        content: Mapping[str, Embeddings] | None = None,
        attributes: Attributes | None = None,
        validation: Holdout | None = None,
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn the space from events and from what is known of the items.

        Parameters
        ----------
        train : what users did
        content : by modality, e.g. `{"text": ..., "image": ...}`, optional
            Vectors of the items that have it; an item missing in one is placed by the rest.
        attributes : optional
            Plain facts of the items.
        validation : optional
            What tells when to stop. When omitted, the last event of every tenth user is held out for it,
            if that makes 50 users to ask.
        checkpoint : a folder, optional
            Where the state is kept at each look; the same call takes it up again after an interruption.
        progress : optional
            Whether to show a bar for each pass.

        Raises
        ------
        DataError
            There is nothing to learn from: every user has fewer than two events.
        IncompatibleError
            `validation` is over other items, or `checkpoint` belongs to another training.
        FloatingPointError
            The loss became infinite or undefined; lower `learning_rate`.
        """
        begun = perf_counter()
        if validation is not None and validation.histories.items != train.items:
            raise IncompatibleError("validation is over other items than train; split one set of events")
        if self.patience is None:
            validation = None
        elif validation is None:
            train, validation = held_out(train, self.seed)
        cut = windows(train.starts, self.max_length)
        n_steps, parts = int(cut[:, 1].sum()), looks(train)
        size = batch_size(n_steps, len(train.items))
        if not len(cut):
            raise DataError(f"{train!r}: nobody has two events; expected histories to learn from")
        device = chosen(self.device)
        widths = {name: vectors.dim for name, vectors in sorted((content or {}).items())}
        names = attributes.names if attributes is not None else ()
        counts = train.counts()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(self.seed)
            towers = self._towers(len(train.items), widths, len(names), len(train.event_names)).to(device)
        named = np.where(counts > 0, np.arange(len(counts)), -1)
        known = item_content(train.items, named, content or {}, attributes, towers, learn=True)
        hidden = training.hiding(known, counts)
        negatives = Negatives(torch.from_numpy(np.flatnonzero(counts)).to(device), _NEGATIVES)
        together = crew()
        self.items_, self.towers_, self.attribute_names_ = train.items, towers, names
        self.event_names_ = train.event_names

        def losses(look: int) -> Iterator[Tensor]:
            number, part = divmod(look, parts)
            groups = batches(cut, size, np.random.default_rng([self.seed, number]))[part::parts]
            for group in shown_progress(groups, description=f"pass {1 + look / parts:g}", shown=progress):
                own, share = together.part(cut[group])
                yield share * training.batch_loss(towers, known, train, own, negatives, hidden)

        def ndcg(asked: Holdout) -> float:
            self._settle(known)
            return float(np.nanmean(metrics.ndcg(self.recommend(asked.histories, 10), asked.targets)))

        with training.compiled(towers, n_steps):
            outcome = train_loop(
                towers,
                training.optimiser(towers, self.learning_rate),
                batches=losses,
                validate=None if validation is None else lambda: ndcg(validation),
                epochs=self.epochs * parts,
                patience=None if self.patience is None else self.patience * parts,
                seed=self.seed,
                memory=training.memory(n_steps // size),
                seconds=None if self.minutes is None else 60 * self.minutes,
                checkpoint=training.kept(checkpoint, self._config(), train, known, validation),
            )
        self.scores_ = tuple(outcome.scores if validation is not None else ())
        self.epochs_ = -(-outcome.best // parts)
        self._settle(known)
        self._draw(train, known)
        self._welcome(train, known)
        self.seconds_ = perf_counter() - begun
        return self

    def _towers(self, n_items: int, widths: Mapping[str, int], n_attributes: int, n_events: int) -> Towers:
        items = ItemTower(
            self.dim,
            n_ids=n_items,
            widths=widths,
            n_attributes=n_attributes,
            fusion=self.fusion,
        )
        users = BehaviourTower(
            self.reader,
            self.dim,
            depth=self.depth,
            heads=_HEADS,
            dropout=self.dropout,
            n_events=1 + n_events,
        )
        return Towers(items, users, temperature=_TEMPERATURE)

    def _settle(self, known: ItemContent) -> None:
        """Place every item by the towers as they are now."""
        self._take_places(placed(self.towers_, known), np.zeros(self.dim, dtype=np.float32))

    def _draw(self, train: Interactions, known: ItemContent) -> None:
        """Draw known items towards their neighbours, then new ones (see `mmreco.models.sharedspace.neighbours`)."""
        counts, described = train.counts(), known.described.cpu().numpy()
        if not described.any():
            self.neighbours_ = None
            return
        own, alone = self.embeddings_.vectors, placed(self.towers_, known.unnamed())
        self.neighbours_ = Neighbours(train.items, alone * ((counts > 0) & described)[:, None], self.towers_.scale)
        self._take_places(self.neighbours_.draw_all(own, alone, counts), self.nobody_)

    def _new_places(self, known: ItemContent, rows: I64 | None = None) -> F32:
        """Where items without events lie before they lean, shape `(m, dim)`; `rows` as in `Neighbours.draw`."""
        alone = placed(self.towers_, known.unnamed())
        if self.neighbours_ is None:
            return alone
        return self.neighbours_.draw(alone, alone, np.ones(len(alone), np.float32), self.embeddings_.vectors, rows=rows)

    def _welcome(self, train: Interactions, known: ItemContent) -> None:
        """Find where the mean user lies, and let items without events lean there (see `cold_start.py`)."""
        clicked = train.counts() > 0
        rng = np.random.default_rng(self.seed)
        asked = train.take(some(np.flatnonzero(train.lengths), _LISTS, rng))
        users = self.user_vectors(asked)  # (u, dim)
        crowd = users.mean(axis=0)
        crowd = (crowd / np.linalg.norm(crowd)).astype(np.float32)
        vectors, described = self.embeddings_.vectors.copy(), known.described.cpu().numpy()
        new = ~clicked & described
        alone = vectors[some(np.flatnonzero(new), _JUDGED, rng)]
        if len(alone) < _ENOUGH_NEW:
            judged = some(np.flatnonzero(clicked & described), _JUDGED, rng)
            alone = self._new_places(known.of(torch.from_numpy(judged).to(known.identity.device)), judged)
        self.cold_bias_ = 0.0
        if len(alone):
            n_known = int(clicked.sum())
            lists = self.recommend(asked, min(_LIST, n_known), where=clicked).scores  # (u, k)
            self.cold_bias_ = leaning(users, lists, alone, crowd, share=COLD_SHARE / n_known)
            vectors[new] = shift_towards(vectors[new], crowd, self.cold_bias_)
        vectors[~clicked & ~described] = -crowd  # nothing is known of these: behind all others
        self._take_places(vectors, crowd)

    def _take_places(self, vectors: F32, nobody: F32) -> None:
        digest = hashlib.sha256(vectors.tobytes()).hexdigest()
        self.embeddings_ = Embeddings(self.items_, vectors, f"SharedSpace {digest}")
        self.nobody_ = frozen(nobody, np.float32)

    # ---- asked

    def item_embeddings(self) -> Embeddings:
        """The place of each item, unit length, in the order it was fitted on.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        return self.embeddings_

    def user_vectors(self, histories: Interactions, *, items: Embeddings | None = None) -> F32:
        """The place of each user, shape `(n, dim)`, unit length; an empty history lies among the popular items.

        Parameters
        ----------
        histories : `n` users, trained on or not
        items : optional
            Places to read the histories with when they hold items that came later (see `place`).

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        IncompatibleError
            `histories` are over other items.
        """
        self._require_fitted()
        return self.behaviour(items).encode(histories)

    def behaviour(self, items: Embeddings | None = None) -> BehaviourEncoder:
        """The user tower as an encoder of histories over `items`, those fitted on when omitted (see `user_vectors`)."""
        self._require_fitted()
        return BehaviourEncoder(
            tower=self.towers_.users,
            items=items or self.embeddings_,
            event_names=self.event_names_,
            nobody=self.nobody_,
            max_length=self.max_length,
        )

    def place(self, content: Mapping[str, Embeddings], attributes: Attributes | None = None) -> Embeddings:
        """The places of items nobody has clicked yet: by their content and attributes, near known items like them.

        Parameters
        ----------
        content : by modality, as `fit` took it; items may lack any
        attributes : with the `names` that `fit` took, optional

        Returns
        -------
        Embeddings
            Every item that has some content or attribute; compare with `item_embeddings`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        IncompatibleError
            A modality, its width or the attributes' names are not those of `fit`.
        """
        self._require_fitted()
        items, known = newcomers(content, attributes, self.towers_, self.attribute_names_)
        places = shift_towards(self._new_places(known), self.nobody_, self.cold_bias_)
        return Embeddings(items, places, self.embeddings_.fingerprint)

    # ---- kept

    def _state(self) -> State:
        weights = {f"towers.{name}": w.detach().cpu().numpy() for name, w in self.towers_.state_dict().items()}
        said = json.dumps(
            [self.event_names_, self.attribute_names_, self.scores_, self.epochs_, self.cold_bias_]
        ).encode()
        words = np.frombuffer(said, dtype=np.uint8)
        places = {"vectors": self.embeddings_.vectors, "nobody": self.nobody_}
        alone = {} if self.neighbours_ is None else {"alone": self.neighbours_.alone}
        return weights | places | alone | {"words": words}

    def _restore(self, state: State) -> None:
        weights = {n.removeprefix("towers."): torch.tensor(w) for n, w in state.items() if n.startswith("towers.")}
        event_names, attribute_names, scores, self.epochs_, self.cold_bias_ = json.loads(state["words"].tobytes())
        self.event_names_, self.attribute_names_ = tuple(event_names), tuple(attribute_names)
        self.scores_ = tuple(scores)
        widths = widths_of(weights, "items.")
        self.towers_ = self._towers(len(self.items_), widths, len(self.attribute_names_), len(self.event_names_))
        try:
            self.towers_.load_state_dict(weights)
        except RuntimeError as error:
            raise IncompatibleError(
                f"SharedSpace: weights of another version of mmreco; fit again ({error})"
            ) from error
        self.towers_.eval()
        self._take_places(state["vectors"], state["nobody"])
        self.neighbours_ = Neighbours(self.items_, state["alone"], self.towers_.scale) if "alone" in state else None
