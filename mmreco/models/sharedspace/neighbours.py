"""Items are drawn towards known ones of like content, each the more the fewer events have taught it.

What few events have taught is mostly chance, and content alone misses what behaviour knows. Both are mended by the
places of the known items whose content lies nearest. When training is over, a new item moves halfway to their mean, one
of `c` events `exp(-c / 12)` as strongly, which is as often as its id was hidden in training (`training.py`);
so what many events have taught stays where it is.

Source: Zhou & Shen, "A tale of two graphs: freezing and denoising graph structures for multimodal recommendation", 2023
(items joined to those of like content by a graph that training leaves as it is). Deviates by joining places when
training is over, by the events an item has, and by finding what is alike by what the item tower makes of content.
"""

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.index import VectorIndex
from mmreco.models.sharedspace.training import id_dropout_rate

__all__ = ["Neighbours"]

_MANY = 10  # neighbours of an item
_COMPARED = 50_000**2  # pairs of items up to which neighbours are found by comparing all; above, by a graph
_CHUNK = 65_536  # items drawn at a time


class Neighbours:
    """The known items as neighbours of others.

    Parameters
    ----------
    items : `n` items
    alone : shape `(n, dim)`
        Unit vectors where content alone would place the known items; zero for all others, which are nobody's neighbour.
    sharpness : what cosines are multiplied by before neighbours are weighed by their softmax
    """

    def __init__(self, items: IdMap, alone: F32, sharpness: float) -> None:
        self.items = items
        self.alone = alone
        self.sharpness = sharpness

    def smooth_all(self, own: F32, alone: F32, counts: I64) -> F32:
        """All `n` items drawn: the known ones first, then, towards where those now lie, the ones without events."""
        places = own.copy()
        for rows in (np.flatnonzero(counts), np.flatnonzero(counts == 0)):
            places[rows] = self.smooth(own[rows], alone[rows], id_dropout_rate(counts[rows]), places, rows=rows)
        return places

    def smooth(self, own: F32, alone: F32, listening: F32, places: F32, *, rows: I64 | None = None) -> F32:
        """The unit vectors `own`, shape `(m, dim)`, drawn towards their neighbours.

        Parameters
        ----------
        own : where the items lie
        alone : shape `(m, dim)`
            Where their content alone would place them; what is zero stays where it is.
        listening : shape `(m,)`
            How strongly each is drawn (see `mmreco.models.sharedspace.training.id_dropout_rate`); 1 for a new one.
        places : shape `(n, dim)`
            Where the known items lie.
        rows : shape `(m,)`, optional
            Which of the `n` each item is itself, as none is its own neighbour; new ones when omitted.
        """
        drawn = own.copy()
        asked, known = np.flatnonzero(alone.any(axis=1)), np.asarray(self.alone.any(axis=1))
        quality = "exact" if len(asked) * len(known) <= _COMPARED else "fast"
        index = VectorIndex(Embeddings(self.items, self.alone), quality=quality)  # not kept: new ones come seldom
        for start in range(0, len(asked), _CHUNK):
            chosen = asked[start : start + _CHUNK]
            found = index.search(alone[chosen], _MANY + (rows is not None), where=known)
            other = found.rows >= 0
            if rows is not None:
                other &= found.rows != rows[chosen, None]
                other[other.all(axis=1), -1] = False  # not met itself, among so many alike
            weights = np.exp(self.sharpness * (np.where(other, found.scores, -np.inf) - 1))  # (c, k)
            near = _unit(np.einsum("ck,ckd->cd", weights, places[found.rows]))
            drawn[chosen] = _unit(own[chosen] + listening[chosen, None] * near)
        return drawn


def _unit(vectors: F32) -> F32:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: F32 = np.divide(vectors, lengths, out=np.zeros_like(vectors, dtype=np.float32), where=lengths > 0)
    return unit
