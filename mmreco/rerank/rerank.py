"""rerank: a page out of a ranking, one place after the other, for many questions at once."""

import numpy as np

from mmreco.arguments import require_kind, require_whole
from mmreco.arrays import F32, F64, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.rerank.calibration import Mix, wanted_mix
from mmreco.rerank.columns import Codes, codes, is_time, numbers
from mmreco.rerank.gains import gains
from mmreco.rerank.limits import Cap, Minimum, narrowed
from mmreco.rerank.options import Exploration, RerankOptions
from mmreco.rerank.ordering import best_first
from mmreco.rerank.result import Reranked

__all__ = ["rerank"]

_FEW = 512  # rows, up to which reading one twice costs less than to find that out
_CELLS = 1 << 21  # numbers of candidates' vectors held together: 8 MiB, about what a processor keeps near


def rerank(
    ranking: Ranking,
    options: RerankOptions | None = None,
    *,
    catalogue: Catalogue | None = None,
    embeddings: Embeddings | None = None,
    histories: Interactions | None = None,
    seed: int = 0,
) -> Reranked:
    """The page each question gets: `options.k` of its candidates in a new order.

    Places are filled from the top. Each takes the candidate that brings most, of those that caps and minimums leave:
    its score, scaled to 0..1 among the question's candidates and boosted, against its similarity to the items above.
    A page that is calibrated, neither varied nor explored, then has its best items first, which its mix allows.

    Parameters
    ----------
    ranking : `n` questions, `m` candidates each
        A few hundred serve best; with no more candidates than places there is little to choose.
    options : optional
    catalogue : optional
        Needed for caps, minimums, boosts and calibration.
    embeddings : optional
        What makes two items similar; needed for `diversity` above 0 and for `duplicates`. Items without a vector are
        like no other. Over the catalogue's items or some of them; without a catalogue, over the ranking's.
    histories : `n` users, optional
        Whose proportions are kept; needed for calibration.
    seed : 0 or more
        Of what is explored; the same seed draws the same.

    Raises
    ------
    DataError
        Something is missing that the options need, or the ranking holds a row beyond the catalogue or the embeddings.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"item_id": ["a", "b", "c"], "brand": ["Acme", "Acme", "Bolt"]})
    >>> shop = Catalogue.from_frame(table)
    >>> found = Ranking(np.array([[0, 1, 2]]), np.array([[0.9, 0.8, 0.1]]))
    >>> page = rerank(found, RerankOptions(k=2, diversity=0, caps={"brand": 1}), catalogue=shop)
    >>> page.ranking.ids(shop.items)
    [['a', 'c']]
    """
    options = RerankOptions() if options is None else require_kind("rerank: options", options, RerankOptions)
    require_kind("rerank", ranking, Ranking)
    if embeddings is not None:
        require_kind("rerank: embeddings", embeddings, Embeddings)
    _require_parts(ranking, options, catalogue, embeddings, histories)
    seed = require_whole("seed", seed, least=0)
    n, m = ranking.rows.shape
    luck = np.random.default_rng(seed).random((n, options.k, 2)) if options.exploration else np.zeros((n, 0, 2))
    width = 1 if embeddings is None else embeddings.dim
    step = max(1, _CELLS // max(1, m * width))
    parts = []
    for start in range(0, max(n, 1), step):
        chosen = slice(start, start + step)
        some, own = ranking, histories
        if n > step:
            some = Ranking(ranking.rows[chosen], ranking.scores[chosen])
            own = None if histories is None else histories.take(np.arange(n)[chosen])
        parts.append(_Pages(some, options, catalogue, embeddings, own).filled(luck[chosen]))
    rows, propensities, explored, variant_of = (np.concatenate(part) for part in zip(*parts, strict=True))
    places = np.where(rows >= 0, np.arange(options.k, 0, -1), -np.inf)
    return Reranked(Ranking(rows, places.astype(np.float32)), propensities, explored, ranking.rows, variant_of)


class _Pages:
    """Some pages while they are filled."""

    def __init__(
        self,
        ranking: Ranking,
        options: RerankOptions,
        catalogue: Catalogue | None,
        embeddings: Embeddings | None,
        histories: Interactions | None,
    ) -> None:
        n, m = ranking.rows.shape
        self.options, self.rows = options, ranking.rows
        self.first = m * np.arange(n)  # the place of each question's first candidate among the `n * m` of all
        there = ranking.rows >= 0
        # 0 where a candidate may come next; -inf where it is on the page, a variant of what is, or capped.
        self.shut = np.where(there, np.float32(0), np.float32(-np.inf))
        self.distinct = there.copy()  # neither on the page nor a variant of what is
        self.variant_of = np.full((n, m), -1, dtype=np.int64)
        self.vectors = None
        if embeddings is not None and (options.diversity > 0 or options.duplicates is not None):
            self.vectors = _unit_vectors(ranking.rows, embeddings, catalogue)
        relevance = _scaled(ranking.scores, there)
        self.caps: list[Cap] = []
        self.minimums: list[Minimum] = []
        self.owed = sum(least for each in options.minimums.values() for least in each.values())
        self.mix: Mix | None = None
        self.weight = np.float32(0 if options.calibration is None else options.calibration.weight)
        if catalogue is not None:
            met, place = _each_once(np.maximum(ranking.rows, 0))
            for column, weight in options.boosts.items():
                values = numbers(catalogue, column, met)[place]
                relevance = relevance + np.float32(weight) * _boost(values, there, catalogue, column)
            self._limit(catalogue, met, place, histories)
        self.relevance = relevance
        self.gains = gains(
            options.method, options.diversity, relevance, there.astype(np.float32), self.vectors, options.k
        )

    def _limit(self, catalogue: Catalogue, met: I64, place: I64, histories: Interactions | None) -> None:
        """Caps, minimums and the mix, each column read once."""
        options, calibration = self.options, self.options.calibration
        balanced = set() if calibration is None else {calibration.column}
        for column in {**options.caps, **options.minimums, **dict.fromkeys(balanced)}:
            rows = met
            if histories is not None and column in balanced:
                bought, event = _each_once(histories.items_flat)
                rows = np.concatenate([met, bought])
            coded: Codes = codes(catalogue, column, rows)
            values = coded.values[place]  # (n, m, w)
            if column in options.caps:
                self.caps.append(Cap(values, options.caps[column]))
            for value, least in options.minimums.get(column, {}).items():
                marked = (values == coded.number.get(value, -2)).any(axis=2)
                self.minimums.append(Minimum(marked, least))
            if histories is not None and column in balanced:
                own = coded.values[len(met) :][event]  # (e, w)
                self.mix = Mix(wanted_mix(histories, own, max(1, len(coded.names))), values)

    def filled(self, luck: F64) -> tuple[I64, F64, Bool, I64]:
        """The item rows, the propensities and what was explored, shape `(n, k)`, and variants, shape `(n, m)`."""
        n, k = len(self.rows), self.options.k
        places, exploration = min(k, self.rows.shape[1]), self.options.exploration
        columns = np.zeros((n, k), dtype=np.int64)
        chances = np.ones((n, k))
        explored = np.zeros((n, k), dtype=np.bool_)
        live = np.zeros((n, k), dtype=np.bool_)  # once nothing may come next, nothing will
        for place in range(places):
            shut = self._shut(k - place)
            values = self._values() + shut
            best = values.argmax(axis=1)
            chosen = self.first + best
            open_ = values.ravel()[chosen] > -np.inf
            if not np.count_nonzero(open_):
                break
            if exploration is not None and place in exploration.places:
                best, chances[:, place], explored[:, place] = _explored(
                    exploration, shut == 0, best, open_, luck[:, place]
                )
                chosen = self.first + best
            columns[:, place], live[:, place] = best, open_
            self._choose(chosen, open_, place)
        rows = np.where(live, self.rows.ravel()[self.first[:, None] + columns], -1) if places else columns - 1
        propensities = np.where(live, chances, np.nan)
        if self.mix is not None and self.options.diversity == 0 and exploration is None:
            rows, propensities, variants = best_first(rows, columns, self.relevance, propensities, self.variant_of)
            return rows, propensities, explored, variants
        return rows, propensities, explored, self.variant_of

    def _shut(self, places: int) -> F32:
        """0 where a candidate may come next if minimums are to be met in the `places` left, else -inf."""
        if not self.minimums or self.owed < places:
            return self.shut
        return np.where(narrowed(self.shut == 0, self.minimums, places), np.float32(0), np.float32(-np.inf))

    def _values(self) -> F32:
        values = self.gains.values()
        if self.mix is None:
            return values
        balanced: F32 = (1 - self.weight) * values + self.weight * self.mix.nearer()
        return balanced

    def _choose(self, chosen: I64, live: Bool, place: int) -> None:
        """Take note of what stands at `place`: places among all `n * m` candidates, and of which pages they count."""
        self.shut.ravel()[chosen] = -np.inf
        for cap in self.caps:
            cap.choose(chosen, self.shut)
        for minimum in self.minimums:
            minimum.choose(chosen)
        if self.mix is not None:
            self.mix.choose(chosen)
        duplicates = self.options.duplicates
        if self.vectors is None or (place + 1 == self.options.k and duplicates is None):
            return
        own = self.vectors.reshape(-1, self.vectors.shape[2]).take(chosen, axis=0)
        cosines = (self.vectors @ own[:, :, None])[..., 0]  # (n, m)
        self.gains.choose(chosen, cosines)
        if duplicates is not None:
            self.distinct.ravel()[chosen] = False
            alike = self.distinct & (cosines >= duplicates)
            if np.count_nonzero(alike):
                alike &= live[:, None]
                self.variant_of[alike] = place
                self.shut[alike] = -np.inf
                self.distinct[alike] = False


def _explored(exploration: Exploration, allowed: Bool, best: I64, live: Bool, luck: F64) -> tuple[I64, F64, Bool]:
    """The columns to show, the chance each had, and which were drawn, shape `(n,)` each."""
    many = allowed.sum(axis=1)
    drawn = live & (luck[:, 0] < exploration.rate)
    nth = np.minimum((luck[:, 1] * many).astype(np.int64), np.maximum(many - 1, 0))
    by_chance = (np.cumsum(allowed, axis=1) > nth[:, None]).argmax(axis=1)
    columns = np.where(drawn, by_chance, best)
    chance = exploration.rate / np.maximum(many, 1) + (1 - exploration.rate) * (columns == best)
    return columns, chance, drawn


def _each_once(rows: I64) -> tuple[I64, I64]:
    """The different rows, and where each of `rows` is among them, of its shape; few rows stay as they are."""
    if rows.size <= _FEW:
        return rows.ravel(), np.arange(rows.size).reshape(rows.shape)
    different, place = np.unique(rows, return_inverse=True)
    return different, place.reshape(rows.shape)


def _scaled(values: F32, there: Bool) -> F32:
    """The values from 0 to 1 among a question's candidates, 0 where there is none or all are equal."""
    low = np.where(there, values, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(there, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    span = high - low
    known = there & (span > 0)
    scaled: F32 = np.divide(values - low, span, out=np.zeros(values.shape, dtype=np.float32), where=known)
    return scaled


def _boost(values: F32, there: Bool, catalogue: Catalogue, column: str) -> F32:
    known = there & ~np.isnan(values)
    if is_time(catalogue, column):
        return np.where(known, values, np.float32(0))
    return _scaled(values, known)


def _unit_vectors(rows: I64, embeddings: Embeddings, catalogue: Catalogue | None) -> F32:
    """The candidates' vectors at unit length, shape `(n, m, dim)`; zeros where there is none."""
    there = rows >= 0
    at = rows
    if catalogue is not None and catalogue.items != embeddings.ids:
        met, place = np.unique(np.maximum(rows, 0), return_inverse=True)
        at = embeddings.ids.rows(catalogue.items.ids(met), missing="mark")[place].reshape(rows.shape)
        there = there & (at >= 0)
    vectors = embeddings.vectors[np.maximum(at, 0)]
    lengths = np.sqrt(np.einsum("nmd,nmd->nm", vectors, vectors))
    vectors *= np.where(there, 1 / np.maximum(lengths, np.finfo(np.float32).tiny), 0)[:, :, None].astype(np.float32)
    return vectors


def _require_parts(
    ranking: Ranking,
    options: RerankOptions,
    catalogue: Catalogue | None,
    embeddings: Embeddings | None,
    histories: Interactions | None,
) -> None:
    if embeddings is None and (options.diversity > 0 or options.duplicates is not None):
        raise DataError(
            f"rerank: diversity={options.diversity}, duplicates={options.duplicates} need embeddings=; give vectors of "
            "the items, or set diversity=0"
        )
    of_catalogue = [n for n in ("caps", "minimums", "boosts", "calibration") if getattr(options, n)]
    if catalogue is None and of_catalogue:
        raise DataError(f"rerank: {', '.join(of_catalogue)} need catalogue=, whose columns they name")
    if options.calibration is not None and histories is None:
        raise DataError("rerank: calibration needs histories=, whose proportions are kept")
    if histories is not None and len(require_kind("rerank: histories", histories, Interactions)) != len(ranking):
        raise DataError(f"rerank: histories of {len(histories)} users for {len(ranking)} questions; expected as many")
    beyond = int(ranking.rows.max(initial=-1))
    items = None if catalogue is None else catalogue.items
    if items is None and embeddings is not None:
        items = embeddings.ids
    if items is not None and beyond >= len(items):
        raise DataError(f"rerank: the ranking holds row {beyond}, of {len(items)} items")
