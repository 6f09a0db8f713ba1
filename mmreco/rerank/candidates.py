"""The candidates of some pages as arrays: how relevant they are, what they are like, and what their columns say.

All that can be read and scaled for many questions at once is, here; a page is then filled by itself (`page`).
"""

import numpy as np

from mmreco.arrays import F32, F64, I64, Bool
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.interactions import Interactions
from mmreco.data.ranking import Ranking
from mmreco.rerank.calibration import Mix, wanted_mix
from mmreco.rerank.columns import coded_column, is_time, numbers
from mmreco.rerank.gains import standardised
from mmreco.rerank.limits import Cap, Minimum
from mmreco.rerank.options import RerankOptions

__all__ = ["Candidates"]

_MANY = 4096  # values of a column, above which those of the candidates and histories alone are numbered


class Candidates:
    """What the pages of `n` questions are made from.

    Parameters
    ----------
    ranking : `n` questions, `m` candidates each
    options, catalogue, embeddings, histories : as `rerank`

    Attributes
    ----------
    shut : shape `(n, m)`
        0 where there is a candidate, else -inf.
    relevance : shape `(n, m)`
        From 0 to 1 before boosts.
    relevance_of_gains : shape `(n, m)`
        The same as the method of variety wants it.
    vectors : shape `(n, m, dim)`, or None where nothing looks at them
    lengths : shape `(n, m)`
        Of the vectors: 1, or 0 where a candidate has none.
    """

    def __init__(
        self,
        ranking: Ranking,
        options: RerankOptions,
        catalogue: Catalogue | None,
        embeddings: Embeddings | None,
        histories: Interactions | None,
    ) -> None:
        self.rows, self.options = ranking.rows, options
        there = ranking.rows >= 0
        self.shut: F32 = np.where(there, np.float32(0), np.float32(-np.inf))
        self.vectors, self.lengths = None, there.astype(np.float32)
        if embeddings is not None and (options.diversity > 0 or options.duplicates is not None):
            self.vectors, self.lengths = _unit_vectors(ranking.rows, embeddings, catalogue)
        self.relevance = _scaled(ranking.scores, there)
        self._caps: list[tuple[I64, int]] = []  # values (w, n, m), and how many
        self._minimums: list[tuple[Bool, int]] = []  # marked (n, m), and how many
        self._mixes: tuple[I64, I64, list[F64]] | None = None
        if catalogue is not None:
            rows = np.maximum(ranking.rows, 0)
            for column, weight in options.boosts.items():
                values = numbers(catalogue, column, rows)
                known = there & ~np.isnan(values)
                scaled = np.where(known, values, 0) if is_time(catalogue, column) else _scaled(values, known)
                self.relevance = self.relevance + np.float32(weight) * scaled
            self._limit(catalogue, rows, histories)
        by_spread = options.diversity > 0 and options.method in ("dpp", "ssd")
        self.relevance_of_gains = standardised(self.relevance, there) if by_spread else self.relevance

    def _limit(self, catalogue: Catalogue, rows: I64, histories: Interactions | None) -> None:
        """Caps, minimums and mixes, each column read once."""
        options, calibration = self.options, self.options.calibration
        balanced = None if calibration is None else calibration.column
        for column in {**options.caps, **options.minimums, **({} if balanced is None else {balanced: None})}:
            coded = coded_column(catalogue, column)
            values, counts = coded.read(rows)
            if column in options.caps:
                self._caps.append((values, options.caps[column]))
            for value, least in options.minimums.get(column, {}).items():
                self._minimums.append(((values == coded.number.get(value, -2)).any(axis=0), least))
            if column == balanced and histories is not None:
                events, of_events = coded.read(histories.items_flat)
                values, events, c = _numbered(values, events, len(coded.names))
                shares = [slice(*span) for span in zip(histories.starts[:-1], histories.starts[1:], strict=True)]
                weights = histories.weights
                self._mixes = values, counts, [wanted_mix(events[:, s], of_events[s], weights[s], c) for s in shares]

    def caps(self, question: int) -> list[Cap]:
        """The caps of one page."""
        return [Cap(values[:, question], most) for values, most in self._caps]

    def minimums(self, question: int) -> list[Minimum]:
        """The minimums of one page."""
        return [Minimum(marked[question], least) for marked, least in self._minimums]

    def mix(self, question: int) -> Mix | None:
        """The mix of one page, where it is to be calibrated."""
        if self._mixes is None:
            return None
        values, counts, wanted = self._mixes
        return Mix(wanted[question], values[:, question], counts[question])


def _numbered(values: I64, events: I64, c: int) -> tuple[I64, I64, int]:
    """Both without numbers that neither has, where there are many, and how many there are."""
    if c <= _MANY:
        return values, events, c
    there, number = np.unique(np.concatenate([[-1], values.ravel(), events.ravel()]), return_inverse=True)
    own, theirs = np.split(number[1:] - 1, [values.size])
    return own.reshape(values.shape), theirs.reshape(events.shape), len(there) - 1


def _scaled(values: F32, there: Bool) -> F32:
    """The values from 0 to 1 among a question's candidates, 0 where there is none or all are equal."""
    if np.count_nonzero(there) == there.size:
        low, high = (
            values.min(axis=1, keepdims=True, initial=np.inf),
            values.max(axis=1, keepdims=True, initial=-np.inf),
        )
    else:
        low = np.where(there, values, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        high = np.where(there, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        span = high - low
    if not (span < np.inf).all():
        return _scaled(_finite(values, there), there)
    known = there & (span > 0)
    scaled: F32 = np.divide(values - low, span, out=np.zeros(values.shape, dtype=np.float32), where=known)
    return scaled


def _finite(values: F32, there: Bool) -> F32:
    """A quarter of the values, so that they can be subtracted; infinite ones as the outermost of the others."""
    known = there & np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(known, values, -np.inf).max(axis=1, keepdims=True)
    none = low > high
    return np.clip(values, np.where(none, 0, low), np.where(none, 0, high)) / np.float32(4)


def _unit_vectors(rows: I64, embeddings: Embeddings, catalogue: Catalogue | None) -> tuple[F32, F32]:
    """The candidates' vectors at unit length, shape `(n, m, dim)`, and their lengths; zeros where there is none."""
    there, at = rows >= 0, rows
    if catalogue is not None and catalogue.items != embeddings.ids:
        met, place = np.unique(np.maximum(rows, 0), return_inverse=True)
        at = embeddings.ids.rows(catalogue.items.ids(met), missing="mark")[place].reshape(rows.shape)
        there = there & (at >= 0)
    vectors = embeddings.vectors.take(np.maximum(at, 0), axis=0)
    lengths = np.sqrt(np.einsum("nmd,nmd->nm", vectors, vectors))
    there = there & (lengths > 0)
    vectors *= np.where(there, 1 / np.maximum(lengths, np.finfo(np.float32).tiny), 0)[:, :, None].astype(np.float32)
    return vectors, there.astype(np.float32)
