"""Request: what is asked of a model, a question a line."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmreco.arguments import require_width, text_of
from mmreco.arrays import I64, Bool, frozen
from mmreco.data.interactions import Interactions
from mmreco.data.users import Users
from mmreco.errors import DataError, IncompatibleError

__all__ = ["Request"]


@dataclass(frozen=True, eq=False, repr=False)
class Request:
    """`n` questions to a model that recommends: whose histories, how many answers, and which may be given.

    Parameters
    ----------
    histories : `n` users
        What the model may know of each; users it was trained on or not, with or without events.
    k : 1 or more
        Answers a question; short lines are padded with row -1 and score -inf.
    exclude_seen : optional
        Whether items of the history itself are left out.
    exclude : `n` users over the same items, optional
        Further items that each question must not be answered with.
    candidates : shape `(n_items,)`, or `(n, n_items)` for a line a question; bool, optional
        Which items may be answered.
    at : shape `(n,)`, int64, optional
        When each question is asked, in milliseconds since 1970-01-01 UTC; one number stands for all.
    page : optional
        The page the answers are for, e.g. "home" or "cart".
    facts : of the same users, optional
        What is known of them besides their events, for models that place a shopper without any.

    Raises
    ------
    DataError
        A part is of another type or shape than said.
    IncompatibleError
        `exclude` is over other items than `histories`, or `facts` is of other users.

    Examples
    --------
    >>> from mmreco.data.ids import IdMap
    >>> Request(Interactions.from_histories([["hat"], []], items=IdMap.of(["hat", "coat"])), k=1)
    Request(2 questions, k=1)
    """

    histories: Interactions
    k: int = 10
    exclude_seen: bool = True
    exclude: Interactions | None = None
    candidates: Bool | None = None
    at: I64 | None = None
    page: str | None = None
    facts: Users | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.histories, Interactions):
            raise DataError(
                f"request: histories is a {type(self.histories).__name__}; expected Interactions, e.g. "
                "Interactions.from_histories([[...]], items=model.items_)"
            )
        n, n_items = len(self.histories), len(self.histories.items)
        object.__setattr__(self, "k", require_width(self.k, n_items))
        if not isinstance(self.exclude_seen, (bool, np.bool_)):
            raise DataError(f"exclude_seen={self.exclude_seen!r}: expected True or False")
        if self.exclude is not None:
            self._require_exclude(self.exclude)
        if self.candidates is not None:
            given = np.asarray(self.candidates)
            if given.dtype != np.bool_ or given.shape not in ((n_items,), (n, n_items)):
                raise DataError(
                    f"candidates: {given.dtype} of shape {given.shape}; expected bool of shape ({n_items},), or "
                    f"({n}, {n_items}) for a line a question"
                )
            object.__setattr__(self, "candidates", frozen(given, np.bool_))
        if self.facts is not None and (not isinstance(self.facts, Users) or self.facts.ids != self.histories.users):
            raise IncompatibleError("facts: expected Users of the histories' users in the same order; Users.aligned")
        if self.page is not None:
            text_of("page", self.page)
        if self.at is not None:
            object.__setattr__(self, "at", self._moments(self.at))

    def __len__(self) -> int:
        """The number of questions."""
        return len(self.histories)

    def __repr__(self) -> str:
        return f"Request({len(self)} questions, k={self.k})"

    @property
    def excluded(self) -> Interactions | None:
        """What each question must not be answered with: its history, where seen items are left out, and `exclude`."""
        if not self.exclude_seen:
            return self.exclude
        if self.exclude is None:
            return self.histories
        return Interactions.from_events(
            self.histories.users,
            self.histories.items,
            np.concatenate([self.histories.users_flat, self.exclude.users_flat]),
            np.concatenate([self.histories.items_flat, self.exclude.items_flat]),
        )

    def take(self, rows: I64) -> "Request":
        """The questions at `rows`, shape `(m,)`, in this order."""
        return replace(
            self,
            histories=self.histories.take(rows),
            exclude=None if self.exclude is None else self.exclude.take(rows),
            candidates=self.candidates[rows]
            if self.candidates is not None and self.candidates.ndim == 2
            else self.candidates,
            at=None if self.at is None else self.at[rows],
            facts=None if self.facts is None else self.facts.take(rows),
        )

    def _require_exclude(self, exclude: Any) -> None:
        if not isinstance(exclude, Interactions):
            raise DataError(f"request: exclude is a {type(exclude).__name__}; expected Interactions")
        if len(exclude) != len(self.histories):
            raise DataError(
                f"request: exclude has {len(exclude)} lines for {len(self.histories)} histories; expected one a history"
            )
        if exclude.items != self.histories.items:
            raise IncompatibleError(
                f"request: exclude is over {len(exclude.items)} items, histories over {len(self.histories.items)}; "
                "make both over the same items"
            )

    def _moments(self, at: Any) -> I64:
        given, n = np.asarray(at), len(self.histories)
        if given.dtype.kind not in "iu" or given.shape not in ((), (n,)):
            raise DataError(
                f"at: {given.dtype} of shape {given.shape}; expected whole milliseconds since 1970 UTC, one or ({n},)"
            )
        moments: I64 = frozen(np.broadcast_to(given, (n,)), np.int64)
        return moments
