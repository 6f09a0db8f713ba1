"""ScoreModel and VectorModel: the two halves that every algorithm is a final class below.

An author finishes `_fit`, the state that is saved, and one question: `ScoreModel.score(histories)`, or
`VectorModel.user_vectors(histories)` with the items' `embeddings_`. `fit` and `recommend` are written once.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from mmreco.arguments import require_width
from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.data.dataset import Dataset
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.data.request import Request
from mmreco.data.users import Users
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.index.vector import VectorIndex
from mmreco.models.configuration import from_config, plain
from mmreco.models.parameters import settle
from mmreco.protocols import HoldsVectors, Searches
from mmreco.splitting import Holdout
from mmreco.storage.artefact import publish, read_artefact

__all__ = ["Model", "ScoreModel", "State", "VectorModel", "seeded"]

_CELLS = 1 << 24  # scores held at a time, so that a batch of any size fits in memory
_UNSAVED = ("_index", "_unit_index", "_shared_of_items")  # made again on first use

State = dict[str, npt.NDArray[Any]]


class Model(ABC):
    """The base of all models: `fit` to a dataset, `recommend` for a request, `save` without pickle.

    A final class is a keyword-only dataclass whose fields are its hyper-parameters. What it learnt is handed to and
    taken from disk by `_state` and `_restore`.

    Attributes
    ----------
    items_ : the map of the items it was fitted on
    closed_form : whether a fit is one calculation from the log, without epochs, and the same each time
    """

    items_: IdMap
    _CLOSED_FORM: ClassVar[bool] = False

    def __post_init__(self) -> None:
        settle(self)

    # ---- what an author finishes

    @abstractmethod
    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Learn from a dataset; `items_` is set by `fit`."""

    @abstractmethod
    def _recommend(self, request: Request) -> Ranking:
        """Answer a request that was checked."""

    @abstractmethod
    def _state(self) -> State:
        """What was learnt, as named arrays."""

    @abstractmethod
    def _restore(self, state: State) -> None:
        """Take back what `_state` handed out, read-only; `items_` is set already."""

    # ---- fit

    def fit(self, dataset: Dataset, *, validation: Holdout | None = None, progress: bool = False) -> Self:
        """Learn from a dataset; the model itself comes back.

        Parameters
        ----------
        dataset : what the shop knows
            `Dataset.from_interactions(log)` where there is only a log.
        validation : optional
            What tells a model that learns by gradient when to stop; it holds out its own when omitted.
        progress : optional
            Whether to show a bar, where there is something to wait for.

        Raises
        ------
        DataError
            `dataset` is no `Dataset`, or lacks what the model learns from.
        IncompatibleError
            `validation` is over other items.
        """
        if not isinstance(dataset, Dataset):
            raise DataError(
                f"{type(self).__name__}.fit: given a {type(dataset).__name__}; expected a Dataset, e.g. "
                "Dataset.read(items=..., events=...) or Dataset.from_interactions(log)"
            )
        if validation is not None:
            if not isinstance(validation, Holdout):
                raise DataError(f"validation is a {type(validation).__name__}; expected a Holdout, e.g. split.test")
            if validation.histories.items != dataset.items:
                raise IncompatibleError("validation is over other items than the dataset; split one dataset")
        self._fit(dataset, validation, progress)
        self.items_ = dataset.items
        return self

    def refit(self, dataset: Dataset, *, validation: Holdout | None = None, progress: bool = False) -> Self:
        """Another model of the same hyper-parameters, fitted to a dataset that has grown or changed.

        A model that learns by gradient begins from the weights it has; this one stays as it is.

        Parameters
        ----------
        dataset : what to fit to; an item is known again by its id
        validation, progress : as `fit`

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError, IncompatibleError
            As `fit`.
        """
        self._require_fitted()
        return self.unfitted().fit(dataset, validation=validation, progress=progress)

    def unfitted(self) -> Self:
        """Another model of the same hyper-parameters that has learnt nothing."""
        other: Self = replace(self)  # type: ignore[type-var]  # every final model is a dataclass
        return other

    @property
    def closed_form(self) -> bool:
        """Whether a fit is one calculation from the log, without epochs, and the same each time."""
        return self._CLOSED_FORM

    def relearn(self, dataset: Dataset) -> Self:
        """Another model, for what is left of a dataset that people have gone from; itself where it only knows to go on.

        A model in closed form, and `SharedSpace`, is what a fit without them gives: nothing of them stays in it. What
        training has put into the weights of any other stays.

        Parameters
        ----------
        dataset : what is left

        Raises
        ------
        DataError
            There is nothing left to learn from.
        """
        return self.refit(dataset) if self.closed_form else self

    # ---- asked

    def recommend(
        self,
        request: Request | None = None,
        *,
        histories: Interactions | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Bool | None = None,
        at: I64 | None = None,
    ) -> Ranking:
        """The `k` best items for each history, best first.

        Parameters
        ----------
        request : what is asked, or instead of it
        histories, k, exclude_seen, candidates, at : the parts of a `Request`

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            Both or neither of `request` and `histories` are given, or a part of the request is unusable.
        IncompatibleError
            The histories are over other items than the model was fitted on.
        """
        self._require_fitted()
        if request is None:
            if histories is None:
                raise DataError(f"{type(self).__name__}.recommend: give a Request, or histories=Interactions")
            request = Request(histories, k=k, exclude_seen=exclude_seen, candidates=candidates, at=at)
        elif histories is not None:
            raise DataError(f"{type(self).__name__}.recommend: give a Request or histories=, not both")
        if not isinstance(request, Request):
            raise DataError(
                f"{type(self).__name__}.recommend: given a {type(request).__name__}; expected a Request, or "
                "histories=Interactions.from_histories([[...]], items=model.items_)"
            )
        self._require_items(request.histories)
        return self._recommend(request)

    def similar(self, rows: Sequence[int] | I64, k: int = 10, *, candidates: Bool | None = None) -> Ranking:
        """The `k` items most like each of the items `rows`, shape `(n,)`, best first; never the item itself.

        What a history of that one item is recommended.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            A row is outside the items, or `k` or `candidates` is unusable.
        """
        return self._recommend(Request(self._alone(rows), k=k, candidates=candidates))

    def _alone(self, rows: Sequence[int] | I64) -> Interactions:
        """A history of one item for each of `rows`."""
        self._require_fitted()
        given = np.asarray(rows)
        if not given.size:
            given = given.astype(np.int64)
        n_items = len(self.items_)
        if (
            given.ndim != 1
            or given.dtype.kind not in "iu"
            or (given.size and not 0 <= given.min() <= given.max() < n_items)
        ):
            raise DataError(
                f"rows: {given.dtype} of shape {given.shape}; expected item rows 0..{n_items - 1}, shape (n,)"
            )
        lines = np.arange(len(given))
        return Interactions.from_events(IdMap.of(map(str, lines)), self.items_, lines, given)

    def _require_fitted(self) -> None:
        if getattr(self, "items_", None) is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit(dataset) first")

    def _require_items(self, histories: Interactions) -> None:
        if histories.items != self.items_:
            raise IncompatibleError(
                f"histories over {len(histories.items)} items, {type(self).__name__} fitted on {len(self.items_)}; "
                "make them with Interactions.from_histories(..., items=model.items_)"
            )

    # ---- saved

    def save(self, folder: str | Path) -> None:
        """Write the model to an artefact folder (see `mmreco.storage.artefact`).

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `folder` holds something else.
        """
        self._require_fitted()
        with publish(folder, type(self).__name__, self._config()) as path:
            self._write(path)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model that `save` wrote to `folder`.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds another kind of model, or hyper-parameters this version does not know.
        """
        return read_artefact(folder, cls.__name__, lambda artefact: cls._read(artefact.path, dict(artefact.about)))

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = plain(asdict(self))  # type: ignore[call-overload]  # every final model is a dataclass
        return config

    def _write(self, path: Path) -> None:
        pq.write_table(pa.table({"item_id": self.items_.array}), path / "items.parquet")
        save_file({k: np.ascontiguousarray(v) for k, v in self._state().items()}, path / "state.safetensors")

    @classmethod
    def _read(cls, path: Path, config: dict[str, Any]) -> Self:
        model: Self = from_config(cls, config, path)
        model.items_ = IdMap(pq.read_table(path / "items.parquet")["item_id"])
        model._restore({k: frozen(v, v.dtype) for k, v in load_file(path / "state.safetensors").items()})
        return model

    def __getstate__(self) -> dict[str, Any]:
        """What another process is sent: all but the indexes, which are built again on first use."""
        return {name: value for name, value in self.__dict__.items() if name not in _UNSAVED}


class ScoreModel(Model):
    """A model that scores every item for every history."""

    @abstractmethod
    def score(self, histories: Interactions) -> F32:
        """The score of each item for each of `histories`, shape `(n, n_items)`; larger is better."""

    def _recommend(self, request: Request) -> Ranking:
        step = max(1, _CELLS // max(1, len(self.items_)))
        excluded, candidates = request.excluded, request.candidates
        parts = []
        for start in range(0, len(request), step):
            lines = np.arange(start, min(start + step, len(request)))
            scores = self._score(request, lines)  # (b, n_items)
            barred = None if excluded is None else excluded.take(lines)
            if candidates is not None and candidates.ndim == 2:
                parts.append(_best_of(scores, candidates[lines], barred, request.k))
                continue
            scores = np.array(scores, dtype=np.float32)  # our own copy
            if barred is not None:
                scores[barred.users_flat, barred.items_flat] = -np.inf
            if candidates is not None:
                scores[:, ~candidates] = -np.inf
            parts.append(Ranking.from_scores(scores, request.k))
        return _stacked(parts, request.k)

    def _score(self, request: Request, lines: I64) -> F32:
        """The scores of these questions; for models that read more of a request than its histories."""
        return self.score(request.histories.take(lines))


class VectorModel(Model):
    """A model whose items and users are vectors in one space; the inner product is the score.

    Attributes
    ----------
    embeddings_ : the items' vectors, which `_fit` and `_restore` set
    """

    embeddings_: Embeddings

    def item_embeddings(self) -> Embeddings:
        """A vector for each item the model was fitted on, in that order.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        return self.embeddings_

    @abstractmethod
    def user_vectors(self, histories: Interactions) -> F32:
        """A vector for each of `histories`, shape `(n, dim)`."""

    @property
    def index(self) -> VectorIndex:
        """The exact index over `item_embeddings`, built on first use and again after `fit`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        self._require_fitted()
        embeddings = self.item_embeddings()
        held: tuple[Embeddings, VectorIndex] | None = self.__dict__.get("_index")
        if held is None or held[0] is not embeddings:
            held = self.__dict__["_index"] = (embeddings, VectorIndex(embeddings))
        return held[1]

    def _recommend(self, request: Request) -> Ranking:
        return self.recommend_from(self.index, request)

    def recommend_from(self, index: Searches, request: Request, *, items: HoldsVectors | None = None) -> Ranking:
        """The answer from another index of the item vectors, such as an approximate one.

        Parameters
        ----------
        index : over `item_embeddings`, and after them the items of `items` that came later
        request : whose histories and candidates are over the index's items
        items : what histories are read with, where items came later; for models that place them
        """
        if items is not None:
            raise DataError(f"{type(self).__name__} places no items that came after fit; fit it again")
        queries = self.user_vectors(request.histories)
        return index.search(queries, request.k, where=request.candidates, exclude=request.excluded)

    def placed_by_facts(self, users: Users) -> Bool:
        """Which of `users` the model places by what is known of them, without any event; shape `(n,)`."""
        return np.zeros(len(users), dtype=np.bool_)

    def similar(self, rows: Sequence[int] | I64, k: int = 10, *, candidates: Bool | None = None) -> Ranking:
        """The `k` items most like each of the items `rows`, shape `(n,)`, best first; never the item itself.

        Similarity is the cosine of the item vectors, so that popular items (long vectors, in some models) are not like
        everything.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            A row is outside the items, or `k` or `candidates` is unusable.
        """
        alone = self._alone(rows)
        index = self._directions()
        width = require_width(k, len(self.items_))
        return index.search(index.vectors_of(alone.items_flat), width, where=candidates, exclude=alone)

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each vector of this space; see `VectorIndex.search`.

        Parameters
        ----------
        queries, k, where, exclude : as `VectorIndex.search`
            Queries are vectors of this space, as `user_vectors` gives them.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError, IncompatibleError
            As `VectorIndex.search`.
        """
        return self.index.search(queries, k, where=where, exclude=exclude)

    def directions(self, vectors: F32) -> F32:
        """Item or user `vectors`, shape `(n, dim)`, at unit length, for cosine similarity; zero rows stay zero."""
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)

    def _directions(self) -> VectorIndex:
        """The index over item vectors of unit length: `index` itself where they have it."""
        index = self.index
        held: tuple[VectorIndex, VectorIndex] | None = self.__dict__.get("_unit_index")
        if held is None or held[0] is not index:
            vectors = self.item_embeddings().vectors
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            unit = index
            if not np.allclose(lengths, 1, atol=1e-3):
                turned = np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)
                unit = VectorIndex(Embeddings(self.items_, turned))
            held = self.__dict__["_unit_index"] = (index, unit)
        return held[1]


def seeded(model: Any, seed: int) -> Any:
    """A fresh model of the same hyper-parameters with this seed, where it draws anything."""
    names = {field.name for field in fields(model)}
    if "training" in names:
        return replace(model, training=replace(model.training, seed=seed))
    return replace(model, seed=seed) if "seed" in names else replace(model)


def _best_of(scores: F32, candidates: Bool, barred: Interactions | None, k: int) -> Ranking:
    """The `k` best among candidates of each question's own, shape `(b, n_items)`; few of them cost little."""
    mine = candidates.copy()
    if barred is not None:
        mine[barred.users_flat, barred.items_flat] = False
    lines, rows = np.nonzero(mine)
    counts = np.bincount(lines, minlength=len(mine))
    width = max(1, int(counts.max(initial=0)))
    place = np.arange(len(lines)) - np.repeat(np.cumsum(counts) - counts, counts)
    names = np.full((len(mine), width), -1, dtype=np.int64)
    few = np.full((len(mine), width), -np.inf, dtype=np.float32)
    names[lines, place], few[lines, place] = rows, np.asarray(scores)[lines, rows]
    return Ranking.from_scores(few, k, rows=names)


def _stacked(parts: list[Ranking], k: int) -> Ranking:
    if not parts:
        return Ranking(np.zeros((0, k), dtype=np.int64), np.zeros((0, k), dtype=np.float32))
    return Ranking(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))
