"""How similar two rows of a sparse matrix are, a block of rows at a time; shared by the neighbourhood models.

Sources: Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering recommendation algorithms", 2001 (cosine
and Pearson's correlation); Jaccard, 1912; Ferrari Dacrema, Cremonesi, Jannach, "Are we really making much progress?",
2019, for the shrinkage: a constant in the denominator, so that little evidence makes no strong similarity.

Deviates in the correlation: it is over all columns, those where nothing happened counting as 0. Over columns that both
rows share, as with ratings, it does not exist for clicks, which are all alike.
"""

from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from mmreco.arrays import F32
from mmreco.errors import DataError

__all__ = ["Compared", "Similarity", "neighbourhood_checked"]

Similarity = Literal["cosine", "pearson", "jaccard"]


@dataclass(frozen=True)
class Compared:
    """Rows to be compared, with what their similarity needs of each.

    Parameters
    ----------
    rows : sparse, shape `(m, d)`
    columns : the same transposed, `(d, m)`
    sums : shape `(m,)`, of the values
    squares : shape `(m,)`, of the squared values
    """

    rows: sp.csr_array
    columns: sp.csr_array
    sums: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rows: sp.csr_array, similarity: Similarity) -> Self:
        """Compare these rows; by Jaccard only where they are not zero."""
        if similarity == "jaccard":
            rows = (rows > 0).astype(np.float32)
        wide = rows.astype(np.float64)
        ones = np.ones(rows.shape[1])
        return cls(rows, rows.T.tocsr(), wide @ ones, wide.multiply(wide).tocsr() @ ones)

    def like(self, asked: "Compared", start: int, stop: int, similarity: Similarity, shrinkage: float) -> F32:
        """The similarity of rows `start:stop` of `asked` to each of these, shape `(stop - start, m)`.

        -inf where it is not above 0: such a row is nobody's neighbour.
        """
        dots = (asked.rows[start:stop] @ self.columns).toarray().astype(np.float64)  # (b, m)
        squares, sums = asked.squares[start:stop, None], asked.sums[start:stop, None]
        if similarity == "jaccard":
            below = squares + self.squares - dots  # of zeros and ones: the size of the union
        elif similarity == "pearson":
            width = self.rows.shape[1]
            dots -= sums * self.sums / width
            spread = np.maximum(squares - sums**2 / width, 0), np.maximum(self.squares - self.sums**2 / width, 0)
            below = np.sqrt(spread[0]) * np.sqrt(spread[1])
        else:
            below = np.sqrt(squares) * np.sqrt(self.squares)
        with np.errstate(divide="ignore", invalid="ignore"):  # rows of zeros
            found: F32 = (dots / (below + shrinkage)).astype(np.float32)
        found[~(found > 0) | ~np.isfinite(found)] = -np.inf
        return found


def neighbourhood_checked(neighbours: int, shrinkage: float, similarity: str) -> None:
    """Nothing, or an error that names the parameter out of its range.

    Raises
    ------
    DataError
        `neighbours` is below 1, `shrinkage` below 0 or not finite, or there is no such `similarity`.
    """
    if neighbours < 1:
        raise DataError(f"neighbours={neighbours}: expected 1 or more")
    if not 0 <= shrinkage < np.inf:
        raise DataError(f"shrinkage={shrinkage}: expected a number of 0 or more")
    if similarity not in get_args(Similarity):
        raise DataError(f"similarity={similarity!r}: expected one of {', '.join(get_args(Similarity))}")
