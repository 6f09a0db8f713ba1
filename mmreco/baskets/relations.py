"""ItemRelations: what goes with an item, and what would replace it, for items whose pairs are unknown as well.

Source: McAuley, Pandey, Leskovec, "Inferring networks of substitutable and complementary products", 2015, for the task
and for telling the two apart by a logistic regression on features of a pair. Deviates: the features are the cosines of
two learnt spaces, one a relation and each with a direction (`mmreco.baskets.towers`), beside those of words, facts and
behaviour, with their products.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from mmreco.arguments import require_whole, require_width, row_numbers
from mmreco.arrays import F32, F64, I64, frozen
from mmreco.baskets.item_features import ItemFeatures
from mmreco.baskets.pairs import ItemPairs
from mmreco.baskets.towers import pair_cosines, relation_vectors
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError, IncompatibleError

__all__ = ["ItemRelations"]

_HELD = 0.2  # share of the items that the two spaces are not taught, for learning how far to trust them
_BLOCK = 512  # questions answered together


@dataclass(frozen=True, eq=False, repr=False)
class ItemRelations:
    """Two learnt spaces of items, and a logistic regression that tells substitutes from complements.

    Made by `fit`.

    Parameters
    ----------
    items : IdMap of `n` items
    complement, substitute : two arrays of shape `(n, d)` each, float32
        An item as the first and as the second of a pair.
    features : of the items
    weights : shape `(f,)`, float64
        Of the regression, the offset last.
    """

    items: IdMap
    complement: tuple[F32, F32]
    substitute: tuple[F32, F32]
    features: ItemFeatures
    weights: F64

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.float64))

    @classmethod
    def fit(
        cls, dataset: Dataset, pairs: ItemPairs, *, epochs: int = 8, seed: int = 0, progress: bool = False
    ) -> "ItemRelations":
        """Learn both relations from known pairs, and what items are like from titles, facts and the log.

        Parameters
        ----------
        dataset : its catalogue's `title`, `category`, `brand` and `price`, those there are, and its log
        pairs : over the same items
            See `ItemPairs.from_baskets` where a shop has only its log.
        epochs : 1 or more
            Rounds over the pairs.
        seed : 0 or more
        progress : optional
            Whether a bar is shown.

        Raises
        ------
        IncompatibleError
            The pairs are of other items than the dataset's.
        DataError
            There is no complement or no substitute among the pairs, `epochs` is below 1 or `seed` below 0.
        """
        if pairs.items != dataset.items:
            raise IncompatibleError(
                f"relations: pairs over {len(pairs.items)} items, dataset of {len(dataset)}; "
                "read the pairs over the items of the dataset"
            )
        if not len(pairs.complements) or not len(pairs.substitutes):
            raise DataError(f"relations: {pairs!r}; expected some of both, to be told apart")
        epochs, seed = require_whole("epochs", epochs), require_whole("seed", seed, least=0)
        features = ItemFeatures.of(dataset, seed=seed)
        # A stream of its own: a caller who holds items out by the same seed must not have held these out already.
        held = np.random.default_rng([seed, 1]).random(len(dataset)) < _HELD
        taught, tried = pairs.without(held), pairs.of(held)
        partial = cls._spaces(features, pairs.items, taught, epochs, seed, progress)
        if len(tried.complements) and len(tried.substitutes):
            weights = partial._told_apart(tried)
        else:
            weights = partial._told_apart(pairs)
        full = cls._spaces(features, pairs.items, pairs, epochs, seed, progress)
        return cls(full.items, full.complement, full.substitute, features, weights)

    @classmethod
    def _spaces(
        cls, features: ItemFeatures, items: IdMap, pairs: ItemPairs, epochs: int, seed: int, progress: bool
    ) -> "ItemRelations":
        vectors = features.vectors
        complement, substitute = (
            relation_vectors(vectors, known, epochs=epochs, seed=seed, progress=progress)
            for known in (pairs.complements, pairs.substitutes)
        )
        return cls(items, complement, substitute, features, np.zeros(0))

    def _told_apart(self, pairs: ItemPairs) -> F64:
        both = np.concatenate([pairs.complements, pairs.substitutes])
        wanted = np.arange(len(both)) >= len(pairs.complements)
        facts = self._facts(both[:, 0], both[:, 1])
        mean, spread = facts.mean(axis=0), facts.std(axis=0) + 1e-9
        model = LogisticRegression(max_iter=2000).fit((facts - mean) / spread, wanted)
        slopes = model.coef_[0] / spread
        weights: F64 = np.append(slopes, model.intercept_[0] - slopes @ mean)
        return weights

    def _facts(self, sources: I64, targets: I64) -> F64:
        cosines = [pair_cosines(space, sources, targets) for space in (self.complement, self.substitute)]
        plain = np.concatenate([np.stack(cosines, axis=1), self.features.between(sources, targets)], axis=1)
        above = np.triu_indices(plain.shape[1])
        return np.concatenate([plain, plain[:, above[0]] * plain[:, above[1]]], axis=1)

    def __repr__(self) -> str:
        return f"ItemRelations({len(self.items)} items)"

    def substitute_probability(self, sources: I64, targets: I64) -> F64:
        """How probably each of `targets` would replace its partner in `sources`, if they are related, shape `(p,)`.

        The rest of the probability is that it goes with it.
        """
        logits = self._facts(np.asarray(sources), np.asarray(targets)) @ self.weights[:-1] + self.weights[-1]
        probability: F64 = 1 / (1 + np.exp(-logits))
        return probability

    def complements(self, rows: I64, k: int = 10) -> Ranking:
        """The `k` items that go with each of these, best first; those that would rather replace it are left out.

        Parameters
        ----------
        rows : shape `(n,)`, int64
            Item rows; a pair has a direction, from these to the answers.
        k : 1 or more
            Width of the answer.

        Raises
        ------
        DataError
            `k` is below 1, or a row is outside the items.
        """
        return self._nearest(self.complement, rows, k, replaces=False)

    def substitutes(self, rows: I64, k: int = 10) -> Ranking:
        """The `k` items that would replace each of `rows`, best first; those that rather go with it are left out.

        Raises
        ------
        DataError
            `k` is below 1, or a row is outside the items.
        """
        return self._nearest(self.substitute, rows, k, replaces=True)

    def _nearest(self, space: tuple[F32, F32], rows: I64, k: int, *, replaces: bool) -> Ranking:
        width = require_width(k, len(self.items))
        asked = row_numbers("relations: rows", rows, len(self.items))
        parts = [Ranking.from_scores(np.zeros((0, len(self.items)), dtype=np.float32), width)]
        for start in range(0, len(asked), _BLOCK):
            some = asked[start : start + _BLOCK]
            scores = space[0][some] @ space[1].T  # (b, n)
            scores[np.arange(len(some)), some] = -np.inf
            wide = Ranking.from_scores(scores, min(3 * width, len(self.items)))
            likely = self.substitute_probability(np.repeat(some, wide.k), np.maximum(wide.rows, 0).ravel())
            fits = (likely.reshape(wide.rows.shape) >= 0.5) == replaces
            kept = np.where(fits, wide.scores, -np.inf).astype(np.float32)
            parts.append(Ranking.from_scores(kept, width, rows=wide.rows))
        return Ranking(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))
