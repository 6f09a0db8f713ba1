"""The encoders of a shop that names none: one of its own words and, where it has pictures, one of its own pictures."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco.arguments import listed
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.reviews import Reviews
from mmreco.embedding.catalogue import encode_content, refusals
from mmreco.encoders.image.decoding import open_picture
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError
from mmreco.protocols import Encoder

__all__ = ["chosen_encoders", "unreadable_pictures"]

_logger = logging.getLogger(__name__)

_LEAST = 2  # pictures: one alone has nothing to be told from


def chosen_encoders(
    catalogue: Catalogue,
    *,
    text: Sequence[Encoder[str]] | None = None,
    image: Sequence[Encoder[Any]] | None = None,
    reviews: Reviews | None = None,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Encoder[Any]]:
    """The encoders of a shop by name: those given, and for a modality that is not given one fitted on the catalogue.

    Parameters
    ----------
    catalogue : the items
        A `LexicalEncoder` is fitted on what is written about them. An `ImageEncoder` is trained on the pictures that
        can be read, and on what is written about them, where at least two can be; the others are no obstacle:
        `encode_content` lists them among the refused.
    text, image : encoders, optional
        `[]` for none.
    reviews : of the same items, optional
        Part of the texts the picture encoder learns from.
    seed : 0 or more, optional
    progress : whether to show a bar, optional

    Returns
    -------
    dict
        "text", "text1", ..., "image", ...; empty where there is neither a word nor two pictures. Without an "image" in
        it nothing reads the pictures there may be; `unreadable_pictures` says what is wrong with them.

    Raises
    ------
    DataError
        Something given does not encode.
    """
    encoders = {**_named("text", text), **_named("image", image)}
    texts = [one for one in catalogue.texts() if one] if text is None else []
    if texts:
        try:
            encoders["text"] = LexicalEncoder(seed=seed).fit(texts)
        except DataError as error:
            _logger.warning("no text encoder: %s", error)
    if image is None and _readable(catalogue):
        described = _described(encoders, catalogue, reviews)
        encoders["image"] = ImageEncoder.fit(catalogue, text=described, seed=seed, progress=progress)
    return encoders


def _named(kind: str, encoders: Sequence[Any] | None) -> dict[str, Encoder[Any]]:
    named: dict[str, Encoder[Any]] = {}
    for number, encoder in enumerate(listed(kind, encoders or ())):
        if not isinstance(encoder, Encoder) or isinstance(encoder, type):
            raise DataError(f"{kind}: {encoder!r:.80} does not encode; expected dim, fingerprint and encode()")
        named[f"{kind}{number or ''}"] = encoder
    return named


def unreadable_pictures(catalogue: Catalogue) -> pa.Table:
    """The items whose picture cannot be read, `id` and `reason`."""
    ids, reasons = [], []
    for row, path in enumerate(catalogue.images()):
        if path is None:
            continue
        try:
            open_picture(path)
        except DataError as error:
            ids.extend(catalogue.items.ids([row]))
            reasons.append(str(error))
    return refusals(
        [pa.table({"id": pa.array(ids, pa.large_string()), "reason": pa.array(reasons, pa.large_string())})]
    )


def _readable(catalogue: Catalogue) -> bool:
    """Whether enough pictures can be read to learn from; stops at the first that are enough."""
    count = 0
    for path in catalogue.images():
        if path is None:
            continue
        try:
            open_picture(path)
        except DataError:
            continue
        count += 1
        if count == _LEAST:
            return True
    return False


def _described(
    encoders: Mapping[str, Encoder[Any]], catalogue: Catalogue, reviews: Reviews | None
) -> Embeddings | None:
    """Vectors of what is written about the items, where it is written about one with a picture."""
    if "text" not in encoders:
        return None
    content, _ = encode_content({"text": encoders["text"]}, catalogue, reviews)
    pictured = np.array([path is not None for path in catalogue.images()], dtype=bool)
    return content["text"] if bool((content["text"].aligned(catalogue.items)[1] & pictured).any()) else None
