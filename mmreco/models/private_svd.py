"""PrivateSVD: the strongest directions of histories, with a bound on what the model tells of any one person.

Source: Dwork, Talwar, Thakurta, Zhang, "Analyze Gauss: optimal bounds for privacy-preserving principal component
analysis", 2014. Each history becomes a vector of length 1, so that its outer product has Frobenius norm 1, and whoever
comes or goes moves the sum of these products by no more. Gaussian noise is added to that sum once, and all that is kept
is computed from the noisy sum. As in PureSVD, a history `x` is scored `x V V'`, with `V` the strongest directions.

Epsilon and delta hold for adding or removing one person with all they did (central model). The noise follows from them
by Renyi accounting (Mironov, 2017) as opacus has it. They bound what `V` tells, not what else a shop shows: popular
shelves, neighbours, and answers to a person's own history are made of other things.

Deviations: off the diagonal, where a cell stands for two, the noise is divided by the root of 2, which is the same
mechanism on the upper triangle. What answers an empty history is the noisy diagonal, not the true popularity. Noise is
drawn in floating point, whose last bits an attacker with the exact weights may use (Mironov, 2012).
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import eigsh

from mmreco.arrays import F32
from mmreco.data.dataset import Dataset
from mmreco.data.interactions import Interactions
from mmreco.errors import DataError, MissingExtraError
from mmreco.models.factor_model import QUIET, FactorModel
from mmreco.splitting import Holdout

__all__ = ["PrivateSVD", "noise_multiplier"]

_LIMIT = 20_000  # items; the matrix takes 8 bytes a pair, and its copies as much again
_CELLS = 1 << 24  # numbers copied at a time
_SMALLEST, _LARGEST = 0.01, 100.0  # epsilon
_ORDERS = (
    [1 + n / 10 for n in range(1, 100)] + [float(n) for n in range(11, 64)] + [64 * 2 ** (n / 4) for n in range(60)]
)


@final
@dataclass(kw_only=True, eq=False)
class PrivateSVD(FactorModel):
    """A history projected on the strongest directions of all, differentially private a person; up to 20,000 items.

    Parameters
    ----------
    epsilon : 0.01 to 100
        The bound: the smaller, the less the model tells of anybody, and the less it knows.
    delta : above 0, below 1
        The chance that the bound does not hold; well below one by the number of people.
    dim : 1 or more
        Directions kept; fewer where there are fewer items.
    seed : 0 or more, or None
        Of the noise. None draws it anew from the system's entropy, and is what the bound needs: whoever knows the seed
        can take the noise away.

    Attributes
    ----------
    noise_ : standard deviation of the noise on the diagonal, where one person's share is 1 at most
    epsilon_ : the bound that this noise gives

    Raises
    ------
    DataError
        A parameter lies outside its range.

    Examples
    --------
    >>> from mmreco import IdMap
    >>> shop = IdMap.of(["hat", "scarf", "coat"])
    >>> log = Interactions.from_histories([["hat", "scarf"]] * 500 + [["coat"]] * 300, items=shop)
    >>> model = PrivateSVD(dim=1, epsilon=8).fit(Dataset.from_interactions(log))  # doctest: +SKIP
    >>> model.recommend(histories=Interactions.from_histories([["hat"]], items=shop), k=1).ids(shop)  # doctest: +SKIP
    [['scarf']]
    """

    epsilon: float = 8.0
    delta: float = 1e-5
    dim: int = 64
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _SMALLEST <= self.epsilon <= _LARGEST:
            raise DataError(f"epsilon={self.epsilon}: expected {_SMALLEST} to {_LARGEST:g}")
        if not 0 < self.delta < 1:
            raise DataError(f"delta={self.delta}: expected above 0, below 1")
        if self.dim < 1:
            raise DataError(f"dim={self.dim}: expected 1 or more")
        if self.seed is not None and self.seed < 0:
            raise DataError(f"seed={self.seed}: expected 0 or more, or None")

    def _fit(self, dataset: Dataset, validation: Holdout | None, progress: bool) -> None:
        """Find the directions of the noisy sum.

        Raises
        ------
        DataError
            There are more than 20,000 items.
        MissingExtraError
            opacus is not installed.
        """
        items = dataset.items
        n_items = len(items)
        if n_items > _LIMIT:
            raise DataError(f"PrivateSVD: {n_items} items; expected {_LIMIT} or fewer, or ALS, which is not private")
        self.noise_, self.epsilon_ = noise_multiplier(self.epsilon, self.delta)
        noisy = _summed(dataset.interactions) + _noise(n_items, self.noise_, self.seed)
        kept = min(self.dim, max(0, n_items - 1))
        directions = np.zeros((n_items, self.dim), dtype=np.float32)
        if kept:
            start = np.random.default_rng(0).standard_normal(n_items)  # of the iteration, not of the noise
            directions[:, :kept] = eigsh(noisy, k=kept, which="LA", v0=start)[1][:, ::-1]
        popularity = np.maximum(noisy.diagonal(), 0)
        popularity = QUIET * popularity / max(float(popularity.max(initial=0)), 1e-9)
        self.items_ = items
        self._keep(np.concatenate([directions, popularity[:, None]], axis=1).astype(np.float32))

    def _folded(self, histories: Interactions) -> F32:
        return np.asarray((histories.matrix() > 0).astype(np.float32) @ self.factors_, dtype=np.float32)

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        return {**super()._state(), "bound": np.array([self.noise_, self.epsilon_])}

    def _restore(self, state: Any) -> None:
        super()._restore(state)
        self.noise_, self.epsilon_ = state["bound"].tolist()


def noise_multiplier(epsilon: float, delta: float) -> tuple[float, float]:
    """The least noise for a bound, as a multiple of what one person can move the sum by, and the bound it gives.

    Raises
    ------
    MissingExtraError
        opacus is not installed.
    """
    try:
        from opacus.accountants.analysis import rdp
    except ModuleNotFoundError as error:
        raise MissingExtraError("PrivateSVD needs opacus: pip install 'mmreco[dp]'") from error

    def bound(noise: float) -> float:
        spent = rdp.compute_rdp(q=1.0, noise_multiplier=noise, steps=1, orders=_ORDERS)
        return float(rdp.get_privacy_spent(orders=_ORDERS, rdp=spent, delta=delta)[0])

    low, high = 0.05, 1.0
    while bound(high) > epsilon:
        high *= 2
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if bound(middle) > epsilon else (low, middle)
    return high, bound(high)


def _summed(log: Interactions) -> npt.NDArray[np.float64]:
    """The sum of the outer products of the histories, each of length 1, shape `(n_items, n_items)`."""
    seen = (log.matrix() > 0).astype(np.float64)  # (n, n_items)
    lengths = np.asarray(seen.sum(axis=1)).ravel()
    seen = seen.multiply(1 / np.sqrt(np.maximum(lengths, 1))[:, None]).tocsr()
    by_item, n_items = seen.T.tocsr(), seen.shape[1]
    total = np.empty((n_items, n_items))
    step = max(1, _CELLS // max(1, n_items))
    for start in range(0, n_items, step):
        total[start : start + step] = (by_item[start : start + step] @ seen).toarray()
    return total


def _noise(n_items: int, noise: float, seed: int | None) -> npt.NDArray[np.float64]:
    """Symmetric, of this standard deviation on the diagonal, shape `(n_items, n_items)`."""
    rng = np.random.default_rng(seed)
    drawn: npt.NDArray[np.float64] = rng.standard_normal((n_items, n_items))
    own = drawn.diagonal().copy()
    drawn = np.triu(drawn, 1)
    drawn = (drawn + drawn.T) * (noise / np.sqrt(2))
    drawn[np.diag_indices(n_items)] = noise * own
    return drawn
