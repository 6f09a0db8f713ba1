"""Who is like whom: by the model's user vectors, or by the items users share where a model has none."""

import numpy as np
import scipy.sparse as sp

from mmreco.arrays import I64
from mmreco.data.answer import SimilarUsers
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.live.answering import lines
from mmreco.live.state import State

__all__ = ["similar_users"]


def similar_users(state: State, users: list[str], k: int) -> SimilarUsers:
    """The `k` users most like each of `users`, who were in the log when the model was fitted or loaded."""
    everybody = state.log.base.users
    distinct = list(dict.fromkeys(users))
    known = [user for user in distinct if state.log.knows(user)]
    histories = state.log.histories(known, state.items)
    own = everybody.rows(known, missing="mark") if known else np.zeros(0, dtype=np.int64)
    space = state.space
    if space is not None:
        itself = Interactions.from_events(histories.users, everybody, np.flatnonzero(own >= 0), own[own >= 0])
        found = space.users(state.log.base).search(space.read(histories), k, exclude=itself)
    else:
        found = _by_shared_items(state, histories, own, k)
    line_of = {user: line for line, user in enumerate(known)}
    place = np.array([line_of.get(user, len(known)) for user in users], dtype=np.int64)
    unknown = tuple(user for user in distinct if user not in line_of)
    return SimilarUsers(tuple(users), lines(found, place), everybody, unknown)


def _by_shared_items(state: State, histories: Interactions, own: I64, k: int) -> Ranking:
    """The cosine of the users' rows of the matrix of events."""
    log = state.log.base
    others, asked = _unit(log.matrix()), _unit(histories.matrix()[:, : len(log.items)])
    scores = np.asarray((asked @ others.T).todense(), dtype=np.float32)  # (n, users)
    scores[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
    return Ranking.from_scores(scores, k)


def _unit(matrix: sp.csr_array) -> sp.csr_array:
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    unit: sp.csr_array = sp.csr_array(sp.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ matrix)
    return unit
