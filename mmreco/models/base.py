"""ScoreModel and VectorModel: the two halves that every algorithm is a final class below.

An author finishes `fit`, the state that is saved, and one question: `ScoreModel.score(histories)`, or
`VectorModel.item_embeddings()` with `user_vectors(histories)`. `recommend` is written once in each half.
"""

import inspect
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from mmreco.arrays import F32, I64, Bool, frozen
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError, NotFittedError
from mmreco.index.vector import VectorIndex
from mmreco.storage.artefact import publish, read_artefact

__all__ = ["ScoreModel", "VectorModel"]

_CELLS = 1 << 24  # scores held at a time, so that a batch of any size fits in memory

State = dict[str, npt.NDArray[Any]]


class _Model(ABC):
    """What both halves share: being fitted to items, and being saved without pickle.

    A final class is a keyword-only dataclass whose fields are its hyper-parameters. Its `fit` ends with
    `self.items_ = train.items`; what it learnt is handed to and taken from disk by `_state` and `_restore`.
    """

    items_: IdMap

    @abstractmethod
    def fit(self, train: Interactions) -> Self:
        """Learn from what users did; the model itself comes back."""

    @abstractmethod
    def _state(self) -> State:
        """What was learnt, as named arrays."""

    @abstractmethod
    def _restore(self, state: State) -> None:
        """Take back what `_state` handed out, read-only; `items_` is set already."""

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
        """The model that `save` wrote.

        Raises
        ------
        DataError
            The artefact is missing or damaged.
        IncompatibleError
            It holds another kind of model, or hyper-parameters this version does not know.
        """
        return read_artefact(folder, cls.__name__, lambda found: cls._read(found.path, dict(found.about)))

    def _config(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    def _write(self, path: Path) -> None:
        pq.write_table(pa.table({"item_id": self.items_.array}), path / "items.parquet")
        save_file({k: np.ascontiguousarray(v) for k, v in self._state().items()}, path / "state.safetensors")

    @classmethod
    def _read(cls, path: Path, config: dict[str, Any]) -> Self:
        unknown = config.keys() - inspect.signature(cls).parameters.keys()
        if unknown:
            raise IncompatibleError(f"{path}: {cls.__name__} has no parameter {sorted(unknown)[0]!r}; refit and save")
        model = cls(**config)
        model.items_ = IdMap(pq.read_table(path / "items.parquet")["item_id"])
        model._restore({k: frozen(v, v.dtype) for k, v in load_file(path / "state.safetensors").items()})
        return model

    def _require_fitted(self) -> None:
        if getattr(self, "items_", None) is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit(train) first")

    def _check(self, histories: Interactions, k: int, where: Bool | None) -> None:
        self._require_fitted()
        if k < 1:
            raise DataError(f"k={k}: expected 1 or more")
        if histories.items != self.items_:
            raise IncompatibleError(
                f"histories over {len(histories.items)} items, {type(self).__name__} fitted on {len(self.items_)}; "
                "make them with Interactions.from_histories(..., items=train.items)"
            )
        n_items = len(self.items_)
        if where is not None and (np.shape(where) != (n_items,) or np.asarray(where).dtype != np.bool_):
            given = np.asarray(where)
            raise DataError(f"where: {given.dtype} of shape {given.shape}; expected bool of shape ({n_items},)")


class ScoreModel(_Model):
    """A model that scores every item for every history."""

    @abstractmethod
    def score(self, histories: Interactions) -> F32:
        """How much each history wants each item, shape `(n, n_items)`; larger is better."""

    def recommend(
        self, histories: Interactions, k: int, *, exclude_seen: bool = True, where: Bool | None = None
    ) -> Ranking:
        """The `k` best items for each history, best first.

        Parameters
        ----------
        histories : `n` users, trained on or not
        k : 1 or more
            Width of the answer; short rows are padded with row -1 and score -inf.
        exclude_seen : optional
            Whether items of the history itself are left out.
        where : shape `(n_items,)` of bool, optional
            Which items may be answered.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            `k` is below 1 or `where` is not a mask over the items.
        IncompatibleError
            `histories` are over other items than the model was fitted on.
        """
        self._check(histories, k, where)
        step = max(1, _CELLS // max(1, len(self.items_)))
        parts = []
        for start in range(0, len(histories), step):
            batch = histories.take(np.arange(start, min(start + step, len(histories))))
            scores = np.array(self.score(batch), dtype=np.float32)  # (b, n_items), our own copy
            if exclude_seen:
                scores[batch.users_flat, batch.items_flat] = -np.inf
            if where is not None:
                scores[:, ~where] = -np.inf
            parts.append(Ranking.from_scores(scores, k))
        return _stacked(parts, k)


class VectorModel(_Model):
    """A model whose items and users are vectors in one space; the inner product is the score."""

    @abstractmethod
    def item_embeddings(self) -> Embeddings:
        """A vector for each item the model was fitted on, in that order."""

    @abstractmethod
    def user_vectors(self, histories: Interactions) -> F32:
        """A vector for each history, shape `(n, dim)`."""

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
        held: VectorIndex | None = self.__dict__.get("_index")
        if held is None or held.embeddings is not embeddings:
            held = self.__dict__["_index"] = VectorIndex(embeddings)
        return held

    def recommend(
        self, histories: Interactions, k: int, *, exclude_seen: bool = True, where: Bool | None = None
    ) -> Ranking:
        """The `k` best items for each history, best first; see `ScoreModel.recommend`.

        Raises
        ------
        NotFittedError, DataError, IncompatibleError
            As `ScoreModel.recommend`.
        """
        self._check(histories, k, where)
        queries = self.user_vectors(histories)
        return self.index.search(queries, k, where=where, exclude=histories if exclude_seen else None)

    def similar(self, rows: I64, k: int, *, where: Bool | None = None) -> Ranking:
        """The `k` items most like each of the items `rows`, shape `(n,)`, best first; never the item itself.

        Similarity is the cosine of the item vectors, so that popular items (long vectors, in some models) are not like
        everything.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError
            A row lies outside the items, `k` is below 1, or `where` is not a mask over the items.
        """
        self._require_fitted()
        asked = np.asarray(rows, dtype=np.int64)
        n_items = len(self.items_)
        if asked.ndim != 1 or (asked.size and (asked.min() < 0 or asked.max() >= n_items)):
            raise DataError(f"rows of shape {asked.shape}: expected item rows 0..{n_items - 1}, shape (n,)")
        index = self._directions()
        lines = np.arange(len(asked))
        itself = Interactions.from_events(IdMap.of(map(str, lines)), self.items_, lines, asked)
        return index.search(index.embeddings.vectors[asked], k, where=where, exclude=itself)

    def search(
        self, queries: F32, k: int, *, where: Bool | None = None, exclude: Interactions | None = None
    ) -> Ranking:
        """The `k` items nearest to each vector of this space; see `VectorIndex.search`.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        DataError, IncompatibleError
            As `VectorIndex.search`.
        """
        return self.index.search(queries, k, where=where, exclude=exclude)

    def _directions(self) -> VectorIndex:
        """The index over item vectors of unit length: `index` itself where they have it."""
        index = self.index
        held: tuple[VectorIndex, VectorIndex] | None = self.__dict__.get("_unit_index")
        if held is None or held[0] is not index:
            vectors = index.embeddings.vectors
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            unit = index
            if not np.allclose(lengths, 1, atol=1e-3):
                turned = np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)
                unit = VectorIndex(Embeddings(self.items_, turned))
            held = self.__dict__["_unit_index"] = (index, unit)
        return held[1]


def _stacked(parts: list[Ranking], k: int) -> Ranking:
    if not parts:
        return Ranking(np.zeros((0, k), dtype=np.int64), np.zeros((0, k), dtype=np.float32))
    return Ranking(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))
