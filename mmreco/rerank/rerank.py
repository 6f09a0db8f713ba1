"""rerank: a page out of a ranking, one place after the other, for many questions at once."""

import numpy as np

from mmreco.arguments import require_kind, require_whole
from mmreco.arrays import F32, F64, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.errors import DataError
from mmreco.rerank.calibration import Mix, mix_of
from mmreco.rerank.columns import codes, is_time, numbers
from mmreco.rerank.gains import gains
from mmreco.rerank.limits import Cap, Minimum, narrowed
from mmreco.rerank.options import Exploration, RerankOptions
from mmreco.rerank.ordering import best_first
from mmreco.rerank.result import Reranked

__all__ = ["rerank"]

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
        self.options, self.rows = options, ranking.rows
        self.lines = np.arange(len(ranking))
        self.open = ranking.rows >= 0  # (n, m): candidates neither on the page nor a variant of what is
        self.variant_of = np.full(ranking.rows.shape, -1, dtype=np.int64)
        self.vectors = None
        if embeddings is not None and (options.diversity > 0 or options.duplicates is not None):
            self.vectors = _unit_vectors(ranking.rows, embeddings, catalogue)
        relevance = _scaled(ranking.scores, self.open)
        self.caps: list[Cap] = []
        self.minimums: list[Minimum] = []
        self.mix: Mix | None = None
        if catalogue is not None:
            met, place = np.unique(np.maximum(ranking.rows, 0), return_inverse=True)
            place = place.reshape(ranking.rows.shape)
            for column, weight in options.boosts.items():
                values = numbers(catalogue, column, met)[place]
                relevance = relevance + np.float32(weight) * _boost(values, self.open, catalogue, column)
            self._limit(catalogue, met, place)
            if options.calibration is not None and histories is not None:
                self.mix = mix_of(options.calibration, catalogue, histories, met, place)
        self.relevance = relevance
        present = self.open.astype(np.float32)
        lengths = present if self.vectors is None else (self.vectors != 0).any(axis=2).astype(np.float32)
        self.gains = gains(options.method, options.diversity, relevance, present, lengths, options.k)

    def _limit(self, catalogue: Catalogue, met: I64, place: I64) -> None:
        for column in {**self.options.caps, **self.options.minimums}:
            coded = codes(catalogue, column, met)
            values = coded.values[place]  # (n, m, w)
            if column in self.options.caps:
                self.caps.append(Cap(values, self.options.caps[column]))
            for value, least in self.options.minimums.get(column, {}).items():
                marked = (values == coded.number.get(value, -2)).any(axis=2)
                self.minimums.append(Minimum(marked, least))

    def filled(self, luck: F64) -> tuple[I64, F64, Bool, I64]:
        """The item rows, the propensities and what was explored, shape `(n, k)`, and variants, shape `(n, m)`."""
        n, k = len(self.rows), self.options.k
        rows = np.full((n, k), -1, dtype=np.int64)
        propensities = np.full((n, k), np.nan)
        explored = np.zeros((n, k), dtype=np.bool_)
        chosen = np.zeros((n, k), dtype=np.int64)
        for place in range(min(k, self.rows.shape[1])):
            allowed = self._allowed(k - place)
            columns = np.where(allowed, self._values(), -np.inf).argmax(axis=1)
            live = allowed[self.lines, columns]
            if not live.any():
                break
            chance = np.ones(n)
            exploration = self.options.exploration
            if exploration is not None and place in exploration.places:
                columns, chance, explored[:, place] = _explored(exploration, allowed, columns, live, luck[:, place])
            rows[live, place] = self.rows[self.lines, columns][live]
            propensities[live, place] = chance[live]
            chosen[:, place] = columns
            self._choose(columns, live, place)
        if self.mix is not None and self.options.diversity == 0 and self.options.exploration is None:
            rows, propensities, variants = best_first(rows, chosen, self.relevance, propensities, self.variant_of)
            return rows, propensities, explored, variants
        return rows, propensities, explored, self.variant_of

    def _allowed(self, places: int) -> Bool:
        allowed = self.open
        for cap in self.caps:
            allowed = allowed & cap.allowed()
        return narrowed(allowed, self.minimums, places) if self.minimums else allowed

    def _values(self) -> F32:
        values = self.gains.values()
        if self.mix is None or self.options.calibration is None:
            return values
        weight = np.float32(self.options.calibration.weight)
        balanced: F32 = (1 - weight) * values - weight * self.mix.divergence()
        return balanced

    def _choose(self, columns: I64, live: Bool, place: int) -> None:
        lines = self.lines[live]
        self.open[self.lines, columns] = False
        for cap in self.caps:
            cap.choose(lines, columns[live])
        for minimum in self.minimums:
            minimum.choose(lines, columns[live])
        if self.mix is not None:
            self.mix.choose(lines, columns[live])
        if self.vectors is None or (place + 1 == self.options.k and self.options.duplicates is None):
            return
        cosines = (self.vectors @ self.vectors[self.lines, columns][:, :, None])[..., 0]  # (n, m)
        self.gains.choose(columns, cosines)
        if self.options.duplicates is not None:
            alike = self.open & live[:, None] & (cosines >= self.options.duplicates)
            self.variant_of[alike] = place
            self.open &= ~alike


def _explored(exploration: Exploration, allowed: Bool, best: I64, live: Bool, luck: F64) -> tuple[I64, F64, Bool]:
    """The columns to show, the chance each had, and which were drawn, shape `(n,)` each."""
    many = allowed.sum(axis=1)
    drawn = live & (luck[:, 0] < exploration.rate)
    nth = np.minimum((luck[:, 1] * many).astype(np.int64), np.maximum(many - 1, 0))
    by_chance = (np.cumsum(allowed, axis=1) > nth[:, None]).argmax(axis=1)
    columns = np.where(drawn, by_chance, best)
    chance = exploration.rate / np.maximum(many, 1) + (1 - exploration.rate) * (columns == best)
    return columns, chance, drawn


def _scaled(values: F32, there: Bool) -> F32:
    """The values from 0 to 1 among a question's candidates, 0 where there is none or all are equal."""
    low = np.where(there, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(there, values, -np.inf).max(axis=1, keepdims=True)
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
