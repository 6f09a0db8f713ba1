"""What a splitter answers: training data, and users with what they did next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmreco.arguments import listed
from mmreco.arrays import I64, Bool, frozen
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, IncompatibleError

__all__ = ["Holdout", "Split"]


@dataclass(frozen=True, eq=False, repr=False)
class Holdout:
    """Histories to recommend for, and what each of these users did next, a user a line.

    Parameters
    ----------
    histories : `n` users
        What the model may know of each user.
    targets : the same `n` users in the same order
        What the user turned to; events of weight 0 or below, e.g. a dislike or a return, are left out.
    at : shape `(n,)`, milliseconds since 1970 UTC, optional
        When each is asked; for models that read it (see `Request.at`).

    Raises
    ------
    IncompatibleError
        The two are not over the same users in the same order, or not over the same items.
    DataError
        `at` is not one whole number a user.
    """

    histories: Interactions
    targets: Interactions
    at: I64 | None = None

    def __post_init__(self) -> None:
        if self.histories.users != self.targets.users:
            raise IncompatibleError(
                f"holdout: histories of {len(self.histories)} users and targets of {len(self.targets)} users differ; "
                "expected the same users in the same order (take the same rows of both)"
            )
        if self.histories.items != self.targets.items:
            raise IncompatibleError(
                f"holdout: histories over {len(self.histories.items)} items, targets over "
                f"{len(self.targets.items)}; expected the same items"
            )
        if self.at is not None:
            given = np.asarray(self.at)
            if given.dtype.kind not in "iu" or given.shape != (len(self.histories),):
                raise DataError(
                    f"holdout: at is {given.dtype} of shape {given.shape}; expected whole milliseconds since 1970 UTC, "
                    f"shape ({len(self.histories)},)"
                )
            object.__setattr__(self, "at", frozen(given, np.int64))
        wanted = self.targets.weights > 0
        if not wanted.all():
            object.__setattr__(self, "targets", self.targets.keep(wanted))

    @classmethod
    def of(cls, histories: Sequence[Sequence[str]], targets: Sequence[Sequence[str]], *, items: IdMap) -> "Holdout":
        """The holdout of plain lists of item ids, one history and one list of targets a user.

        Parameters
        ----------
        histories, targets : `n` lists of item ids each
        items : the map that their rows point into

        Raises
        ------
        DataError
            There are not as many lists of targets as histories, or a list is a string.
        """
        histories, targets = listed("histories", histories), listed("targets", targets)
        if len(histories) != len(targets):
            raise DataError(
                f"holdout: {len(targets)} lists of targets for {len(histories)} histories; expected one a history"
            )
        both = [Interactions.from_histories(lists, items=items) for lists in (histories, targets)]
        return cls(both[0], both[1])

    def __len__(self) -> int:
        """The number of users asked about."""
        return len(self.histories)

    def __repr__(self) -> str:
        return f"Holdout({len(self)} users, {self.targets.n_events} targets)"

    def take(self, rows: Sequence[int] | I64) -> "Holdout":
        """The users at these rows, in this order; on both sides.

        Raises
        ------
        DataError
            `rows` are no whole numbers, e.g. a mask, or one is outside the users.
        """
        histories, targets = self.histories.take(rows), self.targets.take(rows)
        return Holdout(histories, targets, None if self.at is None else self.at[np.asarray(rows, dtype=np.int64)])


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """A training set, a test set, and the items that may be answered.

    Parameters
    ----------
    train : what is learnt from
    test : histories, and what each of these users turned to
    candidates : shape `(n_items,)` of bool, optional
        Items that may be answered; all when None.

    Raises
    ------
    IncompatibleError
        `test` is over other items than `train`.
    DataError
        `candidates` is not a mask over the items.
    """

    train: Dataset
    test: Holdout
    candidates: Bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.train, Dataset) or not isinstance(self.test, Holdout):
            raise DataError(
                f"split: a {type(self.train).__name__} and a {type(self.test).__name__}; expected a Dataset "
                "to learn from and a Holdout to ask"
            )
        n_items = len(self.train.items)
        if self.test.histories.items != self.train.items:
            raise IncompatibleError(
                f"split: train has {n_items} items, the test is over {len(self.test.histories.items)}, and not the same"
                "; make both over one IdMap"
            )
        if self.candidates is not None:
            given = np.asarray(self.candidates)
            if given.dtype != np.bool_ or given.shape != (n_items,):
                raise DataError(
                    f"candidates: {given.dtype} of shape {given.shape}; expected bool of shape ({n_items},)"
                )
            object.__setattr__(self, "candidates", frozen(given, np.bool_))

    def __repr__(self) -> str:
        among = "" if self.candidates is None else f", {int(self.candidates.sum())} candidates"
        return f"Split({self.train!r}, {self.test!r}{among})"
