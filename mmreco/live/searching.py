"""How a state is searched by words: as they are written, by what they mean, and by who asks."""

import numpy as np

from mmreco.arrays import Bool
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.live.state import State
from mmreco.retrieval.fusion import Candidates
from mmreco.retrieval.hybrid import HybridSearch
from mmreco.retrieval.personal import with_taste

__all__ = ["search_words"]

_DEPTH = 100  # candidates of each side that are put together


def search_words(
    state: State, queries: list[str], k: int, match: str, users: list[str] | None, candidates: Bool | None
) -> tuple[Ranking, Bool]:
    """The `k` best items of each query, and which queries anything is known of, shape `(n,)`.

    Parameters
    ----------
    state : what answers
    queries : `n` texts
    k : 1 or more
    match : "words", or "both" words and meanings
    users : one a query, optional
    candidates : shape `(n_items,)` or `(n, n_items)`, optional

    Raises
    ------
    DataError
        There are not as many users as queries.
    """
    hybrid = state.words_and_meanings
    if hybrid is None:
        raise DataError("search: nothing is written about the items; search by picture")
    if users is not None and len(users) != len(queries):
        raise DataError(f"search: {len(users)} users for {len(queries)} queries; expected as many")
    if match == "words":
        hybrid = HybridSearch(state.catalogue, hybrid.lexical)
    parts = hybrid.lexical.vocabulary_coverage(queries) > 0
    for one in state.searched:
        if match == "both" and one.modality == "text":
            parts = parts | (one.coverage(queries) > 0)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    lines = np.flatnonzero(parts)
    if candidates is None or candidates.ndim == 1:
        groups = [lines] if len(lines) else []
    else:
        groups = [lines[i : i + 1] for i in range(len(lines))]
    for group in groups:
        own = candidates if candidates is None or candidates.ndim == 1 else candidates[group[0]]
        asked = [queries[line] for line in group]
        found = hybrid.retrieve(asked, max(_DEPTH, k), where=own)
        if users is not None:
            found = _personal(state, found, [users[line] for line in group])
        best = hybrid.rank(asked, found, k)
        rows[group], scores[group] = best.rows, best.scores
    return Ranking(rows, scores), parts


def _personal(state: State, found: Candidates, users: list[str]) -> Candidates:
    """The candidates with how much each suits whoever asks; as they are for a model without vectors."""
    space = state.space
    if space is None:
        return found
    distinct = list(dict.fromkeys(users))
    vectors = space.read(state.log.histories(distinct, state.items))
    vectors[[not state.log.knows(user) for user in distinct]] = 0
    asked = vectors[[distinct.index(user) for user in users]]
    return with_taste(found, asked, space.directions, n_items=len(state.items))
