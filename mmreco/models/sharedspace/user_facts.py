"""Where shoppers without any event lie, by what is known of them: age, region, tier, whatever columns a shop has.

Ridge regression from facts (one of each column's values, numbers cut into ranges) to the vectors of the users who have
events. A shopper of known facts lies where those like him lie on average, the nearer to all others the fewer there are.

Source: Gantner et al., "Learning attribute-to-feature mappings for cold-start recommendations", 2010 (a linear map from
attributes to the factors of those who have events).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, I64, Bool
from mmreco.data.attributes import Attributes
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.data.users import Users

__all__ = ["MOST", "UserFacts"]

MOST = 20_000
"""Users whose vectors are learnt from at most."""

_SHARED = 10  # users a value is seen with at least
_RIDGE = 20.0  # users that speak for no deviation from the mean


@dataclass(frozen=True, eq=False)
class UserFacts:
    """A linear map from facts to user vectors.

    Parameters
    ----------
    vocabulary : the facts there are; of no user
    mean : shape `(width,)`
    pulls : shape `(facts, width)`
    """

    vocabulary: Attributes
    mean: F32
    pulls: F32

    @classmethod
    def fit(cls, users: Users, vectors: F32) -> "UserFacts | None":
        """Learn from users and where they lie, `(n, width)`; None where nothing is known of them."""
        columns = [name for name in users.table.column_names if _plain(users.table[name].type)]
        if not columns or not len(users):
            return None
        table = Catalogue(users.ids, users.table.select(columns))
        facts = Attributes.from_catalogue(table, columns=columns, at_least=_SHARED)
        if not facts.names:
            return None
        one = facts.matrix().astype(np.float64)
        mean = vectors.mean(axis=0, dtype=np.float64)
        gram = (one.T @ one).toarray() + _RIDGE * np.eye(one.shape[1])
        pulls = np.linalg.solve(gram, one.T @ (vectors - mean))
        return cls(facts.take([]), mean.astype(np.float32), pulls.astype(np.float32))

    def read(self, users: Users) -> tuple[F32, Bool]:
        """Where these users lie, `(n, width)`, and of which something is known, `(n,)`."""
        names = [name for name in users.table.column_names if _plain(users.table[name].type)]
        facts = self.vocabulary.describe(Catalogue(users.ids, users.table.select(names)))
        vectors: F32 = self.mean + facts.matrix() @ self.pulls
        return vectors.astype(np.float32, copy=False), np.asarray(np.diff(facts.starts) > 0)

    @classmethod
    def of(cls, names: list[str], cuts: dict[str, list[float]], mean: F32, pulls: F32) -> "UserFacts":
        """What was saved."""
        nothing: I64 = np.zeros(0, dtype=np.int64)
        ranges = {column: tuple(values) for column, values in cuts.items()}
        return cls(Attributes(IdMap.of([]), tuple(names), np.zeros(1, np.int64), nothing, ranges), mean, pulls)


def _plain(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    numbers = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_boolean(inner)
    return bool(texts or numbers)
