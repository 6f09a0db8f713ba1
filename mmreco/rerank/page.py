"""One page while it is filled, one place after the other."""

import numpy as np

from mmreco.arrays import F32, F64, I64, Bool
from mmreco.rerank.candidates import Candidates
from mmreco.rerank.gains import gains
from mmreco.rerank.limits import narrowed
from mmreco.rerank.options import Exploration

__all__ = ["Page"]


class Page:
    """The page of one question.

    A few hundred numbers are little: what a step costs is calling numpy. So a page is filled by itself, in arrays of
    one axis, and not with others.

    Parameters
    ----------
    candidates : of some questions, `m` each
    question : which of them

    Attributes
    ----------
    variant_of : shape `(m,)`, int64
        The place on the page that each candidate is a variant of, -1 for none.
    """

    def __init__(self, candidates: Candidates, question: int) -> None:
        options = self.options = candidates.options
        # 0 where a candidate may come next; -inf where it is on the page, a variant of what is, or capped.
        self.shut: F32 = candidates.shut[question].copy()
        self.vectors = None if candidates.vectors is None else candidates.vectors[question]
        self.relevance = candidates.relevance[question]
        self.gains = gains(
            options.method,
            options.diversity,
            candidates.relevance_of_gains[question],
            candidates.lengths[question],
            options.k,
        )
        self.caps, self.minimums = candidates.caps(question), candidates.minimums(question)
        self.mix = candidates.mix(question)
        weight = np.float32(0 if options.calibration is None else options.calibration.weight)
        self.weight, self.rest = np.array(weight), np.array(1 - weight)
        self.alike = None if options.duplicates is None else np.array(options.duplicates, dtype=np.float32)
        m = len(self.shut)
        self.gain: F32 = np.empty(m, dtype=np.float32)
        self.cosines: F32 = np.empty(m, dtype=np.float32)
        self.distinct: Bool = self.shut == 0  # neither on the page nor a variant of what is
        self.variant_of = np.full(m, -1, dtype=np.int64)

    def fill(self, luck: F64) -> tuple[list[int], list[float], list[bool]]:
        """The candidates that were chosen, the propensity of each, and whether it was explored.

        Parameters
        ----------
        luck : shape `(k, 2)`
            From 0 to 1, for each place: whether it is explored, and what is drawn.
        """
        k, exploration = self.options.k, self.options.exploration
        chosen: list[int] = []
        chances: list[float] = []
        explored: list[bool] = []
        for place in range(min(k, len(self.shut))):
            shut = self._shut(k - place)
            values = self._values(shut)
            best, chance, drawn = int(values.argmax()), 1.0, False
            if not values[best] > -np.inf:
                break
            if exploration is not None and place in exploration.places:
                best, chance, drawn = _explored(exploration, shut == 0, best, luck[place])
            chosen.append(best)
            chances.append(chance)
            explored.append(drawn)
            self._choose(best, place)
        if self.mix is not None and self.options.diversity == 0 and exploration is None:
            chosen = self._best_first(chosen)
        return chosen, chances, explored

    def _shut(self, places: int) -> F32:
        """0 where a candidate may come next if minimums are to be met in the `places` left, else -inf."""
        if not self.minimums or sum([minimum.missing for minimum in self.minimums]) < places:
            return self.shut
        allowed = narrowed(self.shut == 0, self.minimums, places)
        return np.where(allowed, np.float32(0), np.float32(-np.inf))

    def _values(self, shut: F32) -> F32:
        """What each candidate brings at the next place, shape `(m,)`; -inf where it may not come."""
        values, gain = self.gains.values(), self.gain
        if self.mix is not None:
            nearer = self.mix.nearer()
            np.multiply(nearer, self.weight, out=nearer)
            np.multiply(values, self.rest, out=gain)
            values = np.add(gain, nearer, out=gain)
        np.add(values, shut, out=gain)
        return gain

    def _choose(self, chosen: int, place: int) -> None:
        """Take note of what stands at `place`."""
        last = place + 1 == self.options.k
        self.shut[chosen] = -np.inf
        if not last:
            for cap in self.caps:
                cap.choose(chosen, self.shut)
            for minimum in self.minimums:
                minimum.choose(chosen)
            if self.mix is not None:
                self.mix.choose(chosen)
        if self.vectors is None or (last and self.alike is None):
            return
        cosines = np.dot(self.vectors, self.vectors[chosen], out=self.cosines)
        if self.alike is not None:
            self.distinct[chosen] = False
            alike = cosines >= self.alike
            alike[chosen] = False
            if np.count_nonzero(alike):
                alike &= self.distinct
                self.variant_of[alike] = place
                self.shut[alike] = -np.inf
                self.distinct[alike] = False
        if not last:
            self.gains.choose(chosen, cosines)

    def _best_first(self, chosen: list[int]) -> list[int]:
        """The page with its best items first: a mix does not depend on the order."""
        order = np.argsort(-self.relevance[chosen], kind="stable")  # which old place stands at each new one
        if self.options.duplicates is not None:
            place: I64 = np.empty_like(order)
            place[order] = np.arange(len(order))
            variants = np.flatnonzero(self.variant_of >= 0)
            self.variant_of[variants] = place[self.variant_of[variants]]
        return [chosen[old] for old in order.tolist()]


def _explored(exploration: Exploration, allowed: Bool, best: int, luck: F64) -> tuple[int, float, bool]:
    """The candidate to show, the chance it had, and whether it was drawn."""
    open_ = np.flatnonzero(allowed)
    drawn = bool(luck[0] < exploration.rate)
    shown = int(open_[min(int(luck[1] * len(open_)), len(open_) - 1)]) if drawn else best
    return shown, exploration.rate / len(open_) + (1 - exploration.rate) * (shown == best), drawn
