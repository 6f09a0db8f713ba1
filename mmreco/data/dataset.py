"""Dataset: everything a shop knows, under one map of items and one of users. Every model learns from one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.data.users import Users
from mmreco.errors import DataError, IncompatibleError

__all__ = ["Dataset"]

_TABLES = ("items", "events", "reviews", "users")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A catalogue, what users did, and what else is known; items and users are under one `IdMap` each.

    Made by `read`, `from_frames` or `from_interactions`; the constructor only checks.

    Parameters
    ----------
    catalogue : the items
    interactions : what users did, over the catalogue's items
        A user without any event, and a log without any event, are allowed.
    reviews : of the catalogue's items, optional
    users : what is known of the users of `interactions`, in the same order, optional
    content : vectors of the items by name, e.g. `{"text": ..., "image": ...}`, optional
        Items may be missing from any of them.

    Raises
    ------
    IncompatibleError
        The parts are over other items, or other users, than the catalogue and the interactions.
    DataError
        A part is of another type than is expected.

    Examples
    --------
    >>> items = pa.table({"item_id": ["hat", "coat"], "title": ["Red hat", "Blue coat"]})
    >>> events = pa.table({"user_id": ["ann", "ann"], "item_id": ["hat", "coat"]})
    >>> Dataset.from_frames(items=items, events=events)
    Dataset(2 items, 1 users, 2 events)
    """

    catalogue: Catalogue
    interactions: Interactions
    reviews: Reviews | None = None
    users: Users | None = None
    content: Mapping[str, Embeddings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_types(self)
        _require_items("interactions", self.interactions.items, self.catalogue.items)
        if self.reviews is not None:
            _require_items("reviews", self.reviews.items, self.catalogue.items)
        if self.users is not None and self.users.ids != self.interactions.users:
            raise IncompatibleError(
                f"users: a table of {len(self.users)} users beside interactions of {len(self.interactions)}, and not "
                "the same in the same order; use Dataset.from_frames, or users.aligned(interactions.users)"
            )
        for name, vectors in self.content.items():
            strangers = int((self.catalogue.items.rows(vectors.ids.array, missing="mark") < 0).sum())
            if strangers:
                raise IncompatibleError(
                    f"content {name!r}: {strangers} of {len(vectors)} ids are not in the catalogue of "
                    f"{len(self.catalogue)} items; embed this catalogue"
                )
        object.__setattr__(self, "content", MappingProxyType(dict(self.content)))

    # ---- made from

    @classmethod
    def read(
        cls,
        *,
        items: str | Path | None = None,
        events: str | Path | None = None,
        reviews: str | Path | None = None,
        users: str | Path | None = None,
        images: str | Path | None = None,
        columns: Mapping[str, Mapping[str, str]] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> "Dataset":
        """The dataset in `.parquet`, `.csv`, `.tsv` or `.jsonl` files.

        Parameters
        ----------
        items, events : one of them at least
            Without `items` the catalogue is what the log names; without `events` nobody has done anything yet.
        reviews, users : optional
        images : a folder of pictures, optional
            See `Catalogue.from_frame`.
        columns : optional
            A table's own names, by table: `{"events": {"user_id": "customer"}, "items": {"item_id": "sku"}}`.
        weights : optional
            Weight of each kind of event, e.g. `{"view": 1, "purchase": 5}`.

        Raises
        ------
        DataError
            Neither `items` nor `events` is given, a file is unusable, or a column holds a value it must not.
        """
        own = _columns_checked(columns)
        catalogue = None if items is None else Catalogue.read(items, images=images, columns=own["items"])
        log = None
        if events is not None:
            log = Interactions.read(events, catalogue=catalogue, columns=own["events"], weights=weights)
        catalogue, log = _catalogue_and_log(catalogue, log)
        written = None if reviews is None else Reviews.read(reviews, catalogue=catalogue, columns=own["reviews"])
        people = None if users is None else Users.read(users, columns=own["users"])
        return cls._joined(catalogue, log, written, people)

    @classmethod
    def from_frames(
        cls,
        *,
        items: Any = None,
        events: Any = None,
        reviews: Any = None,
        users: Any = None,
        images: str | Path | None = None,
        columns: Mapping[str, Mapping[str, str]] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> "Dataset":
        """The dataset in dataframes (pandas, polars, pyarrow, anything narwhals reads).

        Parameters
        ----------
        items, events : dataframes, one of them at least
        reviews, users : dataframes, optional
        images, columns, weights : as `read`

        Raises
        ------
        DataError
            Neither `items` nor `events` is given, or a column holds a value it must not.
        """
        own = _columns_checked(columns)
        catalogue = None if items is None else Catalogue.from_frame(items, images=images, columns=own["items"])
        log = None
        if events is not None:
            log = Interactions.from_frame(events, catalogue=catalogue, columns=own["events"], weights=weights)
        catalogue, log = _catalogue_and_log(catalogue, log)
        written = None
        if reviews is not None:
            written = Reviews.from_frame(reviews, catalogue=catalogue, columns=own["reviews"])
        people = None if users is None else Users.from_frame(users, columns=own["users"])
        return cls._joined(catalogue, log, written, people)

    @classmethod
    def from_interactions(cls, interactions: Interactions) -> "Dataset":
        """The dataset of the log `interactions` alone; nothing but its id is known of an item."""
        if not isinstance(interactions, Interactions):
            raise DataError(f"from_interactions: given a {type(interactions).__name__}; expected Interactions")
        return cls(_bare(interactions.items), interactions)

    @classmethod
    def _joined(
        cls, catalogue: Catalogue, log: Interactions, reviews: Reviews | None, users: Users | None
    ) -> "Dataset":
        if users is None:
            return cls(catalogue, log, reviews)
        strangers = users.ids.take(np.flatnonzero(log.users.rows(users.ids.array, missing="mark") < 0))
        everybody = IdMap(pa.concat_arrays([log.users.array, strangers.array]))
        return cls(catalogue, log.with_users(everybody), reviews, users.aligned(everybody))

    # ---- asked

    @property
    def items(self) -> IdMap:
        """The map of the items."""
        return self.catalogue.items

    def __len__(self) -> int:
        """The number of items."""
        return len(self.catalogue)

    def __reduce__(self) -> tuple[type["Dataset"], tuple[Any, ...]]:
        """What another process is sent; a read-only mapping cannot be."""
        return Dataset, (self.catalogue, self.interactions, self.reviews, self.users, dict(self.content))

    def __repr__(self) -> str:
        parts = [f"{len(self)} items", f"{len(self.interactions)} users", f"{self.interactions.n_events} events"]
        if self.reviews is not None:
            parts.append(f"{len(self.reviews)} reviews")
        parts += [f"{name}: {len(vectors)} x {vectors.dim}" for name, vectors in self.content.items()]
        return f"Dataset({', '.join(parts)})"

    # ---- changed

    def with_interactions(self, interactions: Interactions) -> "Dataset":
        """The same catalogue, reviews and content with the log `interactions`; users' facts follow its users."""
        users = None if self.users is None else self.users.aligned(interactions.users)
        return replace(self, interactions=interactions, users=users)

    def with_content(self, content: Mapping[str, Embeddings]) -> "Dataset":
        """The same dataset with `content`, vectors of the items by name, instead of what it had."""
        return replace(self, content=content)


def _bare(items: IdMap) -> Catalogue:
    return Catalogue(items, pa.table({"title": pa.nulls(len(items), pa.large_string())}))


def _catalogue_and_log(catalogue: Catalogue | None, log: Interactions | None) -> tuple[Catalogue, Interactions]:
    if catalogue is None and log is None:
        raise DataError("dataset: neither items nor events are given; expected one of them at least")
    if catalogue is None and log is not None:
        catalogue = _bare(log.items)
    if log is None and catalogue is not None:
        log = Interactions.from_histories([], items=catalogue.items)
    return catalogue, log  # type: ignore[return-value]


def _columns_checked(columns: Mapping[str, Mapping[str, str]] | None) -> dict[str, Mapping[str, str] | None]:
    if columns is not None and not isinstance(columns, Mapping):
        raise DataError(f'columns: {columns!r:.80}; expected a mapping, e.g. {{"events": {{"user_id": "customer"}}}}')
    own = dict(columns or {})
    for table, names in own.items():
        if table not in _TABLES or not isinstance(names, Mapping):
            raise DataError(
                f"columns: {table!r}: {names!r}; expected a mapping a table ({', '.join(_TABLES)}), "
                'e.g. {"events": {"user_id": "customer"}}'
            )
    return {table: own.get(table) for table in _TABLES}


def _require_types(dataset: Dataset) -> None:
    expected = {"catalogue": Catalogue, "interactions": Interactions, "reviews": Reviews, "users": Users}
    for name, kind in expected.items():
        given = getattr(dataset, name)
        if not isinstance(given, kind) and not (given is None and name in ("reviews", "users")):
            raise DataError(f"dataset: {name} is a {type(given).__name__}; expected {kind.__name__}")
    if not isinstance(dataset.content, Mapping) or not all(
        isinstance(vectors, Embeddings) for vectors in dataset.content.values()
    ):
        raise DataError('dataset: content must be Embeddings by name, e.g. {"text": Embeddings(...)}')


def _require_items(what: str, given: IdMap, expected: IdMap) -> None:
    if given != expected:
        raise IncompatibleError(
            f"{what} are over {len(given)} items, the catalogue has {len(expected)}, and not the same in the same "
            "order; read them with catalogue=..., or use Dataset.read"
        )
