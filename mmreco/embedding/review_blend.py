"""What reviews add to an item's text vector."""

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.encoders.queries import encode_document
from mmreco.encoders.text.review_weights import require_review_vectors, review_weights
from mmreco.errors import DataError, IncompatibleError
from mmreco.protocols import Encoder

__all__ = ["blend_reviews"]

_CHUNK = 4_096  # reviews encoded together, so that memory does not grow with the shop


def blend_reviews(
    documents: Embeddings,
    reviews: Reviews,
    encoder: Encoder[str],
    *,
    weight: float = 0.3,
    half_life_days: float = 180.0,
    vectors: F32 | None = None,
) -> Embeddings:
    """The items' text vectors, each moved towards the mean of what its reviews say.

    A review counts by how recent it is, halved every `half_life_days` before the newest review of all, and by
    how many found it helpful: `1 + log(1 + helpful)`.

    Parameters
    ----------
    documents : Embeddings of what the shop writes
        Of all items or some.
    reviews : of the same shop's items
    encoder : the one that made `documents`
    weight : 0 to 1, optional
        The reviews' part in an item that has both; an item with reviews alone gets their mean.
    half_life_days : above 0, optional
        Ignored where no review has a time.
    vectors : shape `(len(reviews), dim)`, optional
        The reviews' vectors where they were encoded already; then `encoder` is only asked for its mark.

    Returns
    -------
    Embeddings
        Of the ids of `documents`, then of the other items whose reviews say something, in the order of
        `reviews.items`; unit length, fingerprint of `encoder`, since both lie in its space and its queries fit.

    Raises
    ------
    DataError
        `weight` or `half_life_days` is out of range, or `vectors` has another shape or holds NaN.
    IncompatibleError
        `documents` were made by another encoder.
    """
    if not 0 <= weight <= 1:
        raise DataError(f"weight={weight}: expected 0 to 1")
    if documents.fingerprint not in ("", encoder.fingerprint) or documents.dim != encoder.dim:
        raise IncompatibleError(
            f"documents of width {documents.dim} and fingerprint {documents.fingerprint[:18]!r}, encoder of width "
            f"{encoder.dim} and {encoder.fingerprint[:18]!r}; encode the documents with this encoder"
        )
    if vectors is not None:
        require_review_vectors(vectors, len(reviews), encoder.dim)
    weights = review_weights(reviews, half_life_days)
    weights /= np.bincount(reviews.items_flat, weights=weights, minlength=len(reviews.items))[reviews.items_flat]
    means = np.zeros((len(reviews.items), encoder.dim), dtype=np.float32)  # (n_items, dim)
    for start in range(0, len(reviews), _CHUNK):
        part = slice(start, start + _CHUNK)
        own = encode_document(encoder, reviews.texts[part]) if vectors is None else vectors[part]  # (c, dim)
        np.add.at(means, reviews.items_flat[part], own * weights[part, None].astype(np.float32))
    lengths = np.linalg.norm(means, axis=1)
    reviewed = np.flatnonzero(lengths > 0)
    means[reviewed] /= lengths[reviewed, None]
    return _blended(documents, reviews.items, reviewed, means[reviewed], weight, encoder.fingerprint)


def _blended(
    documents: Embeddings, items: IdMap, reviewed: I64, means: F32, weight: float, fingerprint: str
) -> Embeddings:
    places = documents.ids.rows(items.take(reviewed).array, missing="mark")  # (reviewed,)
    both, alone = places >= 0, places < 0
    out = np.array(documents.vectors)
    mixed = (1 - weight) * out[places[both]] + weight * means[both]
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    out[places[both]] = np.where(lengths > 1e-6, mixed / np.maximum(lengths, 1e-6), out[places[both]])
    ids = documents.ids.ids(np.arange(len(documents))) + items.ids(reviewed[alone])
    return Embeddings(IdMap.of(ids), np.concatenate([out, means[alone]]), fingerprint)
