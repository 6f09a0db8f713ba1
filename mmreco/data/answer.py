"""Answer: what the shop is told, a ranking in the shop's own ids."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, Bool
from mmreco.data.boxes import Box
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError

__all__ = ["Answer", "SimilarUsers"]

_SHOWN = 10  # questions that repr writes out


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """The best items for each question, as the shop's own ids.

    Parameters
    ----------
    questions : one name a question
        The user's id, the item's id, or "0", "1", ... for histories and searches.
    ranking : one line a question
        Rows of `catalogue`, with scores.
    catalogue : the shop the answer is from
    popular : shape `(n,)` of bool
        Questions answered with popular items, as nothing was known of the user.
    unknown : optional
        Users or items of the request that the shop does not know, or queries no encoder understands.
    notes : optional
        What the caller should know of how it was answered.
    boxes : one a question, where pictures were asked for
        The part of each picture that was compared, in its pixels; None for the whole.

    Raises
    ------
    DataError
        There are not as many questions as lines in the ranking, or boxes for some of them only.

    Examples
    --------
    >>> import pyarrow as pa
    >>> shop = Catalogue.from_frame(pa.table({"item_id": ["hat", "coat"], "title": ["Red hat", "Blue coat"]}))
    >>> best = Ranking.from_scores(np.array([[0.25, 0.5]], dtype=np.float32), k=2)
    >>> Answer(("user-9",), best, shop, np.array([False]))
    user-9: coat 0.500 'Blue coat' | hat 0.250 'Red hat'
    """

    questions: tuple[str, ...]
    ranking: Ranking
    catalogue: Catalogue
    popular: Bool
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    boxes: tuple[Box | None, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.questions) == len(self.ranking) == len(self.popular):
            raise DataError(f"answer: {len(self.questions)} questions for {len(self.ranking)} lines of a ranking")
        if self.boxes and len(self.boxes) != len(self.questions):
            raise DataError(f"answer: {len(self.boxes)} boxes for {len(self.questions)} questions")

    def __len__(self) -> int:
        """The number of questions."""
        return len(self.questions)

    @property
    def scores(self) -> F32:
        """How good each answer is, shape `(n, k)`, best first; -inf where there is none."""
        return self.ranking.scores

    def ids(self) -> list[list[str]]:
        """The item ids of each question, best first; fewer than `k` where there are no more."""
        return self.ranking.ids(self.catalogue.items)

    def to_frame(self) -> pa.Table:
        """A row an answer: `question`, `rank` (from 1), `item_id`, `score` and, where the shop has it, `title`."""
        rows = self.ranking.rows
        there = rows >= 0
        question, rank = np.nonzero(there)
        columns = {
            "question": pa.array(self.questions, pa.large_string()).take(pa.array(question)),
            "rank": pa.array(rank + 1),
            "item_id": self.catalogue.items.array.take(pa.array(rows[there])),
            "score": pa.array(self.scores[there]),
        }
        if self.catalogue.has("title"):
            columns["title"] = self.catalogue.table["title"].take(pa.array(rows[there]))
        return pa.table(columns)

    def __repr__(self) -> str:
        titles = self.catalogue.table["title"] if self.catalogue.has("title") else None
        lines = []
        for q, question in enumerate(self.questions[:_SHOWN]):
            rows = [int(row) for row in self.ranking.rows[q] if row >= 0][:5]
            named = zip(self.catalogue.items.ids(rows), self.scores[q], rows, strict=False)
            best = [f"{i} {s:.3f}" + ("" if titles is None else f" {str(titles[r])[:30]!r}") for i, s, r in named]
            said = " (popular)" if self.popular[q] else ""
            box = self.boxes[q] if self.boxes else None
            said += "" if box is None else " [" + ", ".join(f"{value:g}" for value in box) + "]"
            lines.append(f"{question}{said}: {' | '.join(best) or 'nothing'}")
        if len(self) > _SHOWN:
            lines.append(f"... {len(self) - _SHOWN} more questions")
        if self.unknown:
            lines.append(f"unknown: {len(self.unknown)}, first {self.unknown[0]!r}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class SimilarUsers:
    """The users most like each of those asked about, as the shop's own ids.

    Parameters
    ----------
    questions : one user id a question
    ranking : one line a question
        Rows of `users`, with cosines.
    users : the shop's users
    unknown : optional
        Users asked about of whom the shop knows nothing.
    """

    questions: tuple[str, ...]
    ranking: Ranking
    users: IdMap
    unknown: tuple[str, ...] = ()

    def __len__(self) -> int:
        """The number of questions."""
        return len(self.questions)

    @property
    def scores(self) -> F32:
        """How similar each is, shape `(n, k)`, best first; -inf where there is none."""
        return self.ranking.scores

    def ids(self) -> list[list[str]]:
        """The user ids of each question, best first; fewer than `k` where there are no more."""
        return self.ranking.ids(self.users)

    def __repr__(self) -> str:
        return "\n".join(
            f"{question}: {' | '.join(ids[:5]) or 'nobody'}"
            for question, ids in zip(self.questions, self.ids(), strict=True)
        )
