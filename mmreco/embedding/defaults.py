"""The encoders of a shop that names none: one of its own words and, where it has pictures, one of its own pictures."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from mmreco.arguments import listed
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.embedding.catalogue import encode_content, refusals
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.image.pictures import read_pictures
from mmreco.encoders.image.preprocessing import Preprocessing
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError
from mmreco.nn.threads import probed_threads
from mmreco.protocols import Encoder

__all__ = ["ShopContent", "encode_shop"]

_logger = logging.getLogger(__name__)

_SIDE = 64  # pixels a picture is seen in
_BATCH = 64  # pictures encoded together
_LEAST = 2  # pictures: one alone has nothing to be told from


def _named(kind: str, encoders: Sequence[Any] | None) -> dict[str, Encoder[Any]]:
    named: dict[str, Encoder[Any]] = {}
    for number, encoder in enumerate(listed(kind, encoders or ())):
        if not isinstance(encoder, Encoder) or isinstance(encoder, type):
            raise DataError(f"{kind}: {encoder!r:.80} does not encode; expected dim, fingerprint and encode()")
        named[f"{kind}{number or ''}"] = encoder
    return named


class ShopContent(NamedTuple):
    """A shop's content, encoded.

    Parameters
    ----------
    encoders : by name
    content : vectors of the items, by the encoder's name
    refused : Arrow table of `id`, `reason`
        Content that is unusable.
    """

    encoders: dict[str, Encoder[Any]]
    content: dict[str, Embeddings]
    refused: pa.Table


def encode_shop(
    catalogue: Catalogue,
    reviews: Reviews | None = None,
    *,
    text: Sequence[Encoder[str]] | None = None,
    image: Sequence[Encoder[Any]] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> ShopContent:
    """What is written and shown of a catalogue's items, by the encoders given or by ones fitted on it.

    Encoders are named "text", "text1", ..., "image", ...; there is none where there is neither a word nor two pictures.
    Each picture is decoded once, for the training of its encoder and for its vector, and each text is encoded once.
    Pictures that cannot be read are listed among the refused, also where fewer than two can be and there is no encoder.

    Parameters
    ----------
    catalogue : the items
        Where `text` is omitted, a `LexicalEncoder` is fitted on what is written about them; where `image` is, an
        `ImageEncoder` is trained on their pictures, and on what is written about them.
    reviews : of the same items, optional
        They become part of an item's text vector.
    text, image : encoders, optional
        `[]` for none.
    seed : 0 or more, optional
    progress : whether to show a bar, optional

    Raises
    ------
    DataError
        Something given does not encode.
    """
    encoders = _named("text", text) if text is not None else _lexical(catalogue, seed)
    given = _named("image", image)
    content, refused = encode_content({**encoders, **given}, catalogue, reviews, progress=progress)
    if image is not None:
        return ShopContent({**encoders, **given}, content, refused)
    own = _own_pictures(catalogue, content.get("text"), seed, progress)
    return ShopContent(encoders | own.encoders, content | own.content, refusals([refused, own.refused]))


def _lexical(catalogue: Catalogue, seed: int) -> dict[str, Encoder[Any]]:
    """An encoder of the catalogue's own words; none where no word is written."""
    texts = [text for text in catalogue.texts() if text]
    if not texts:
        return {}
    try:
        return {"text": LexicalEncoder(seed=seed).fit(texts)}
    except DataError as error:
        _logger.warning("no text encoder: %s", error)
        return {}


def _own_pictures(catalogue: Catalogue, text: Embeddings | None, seed: int, progress: bool) -> ShopContent:
    """An encoder trained on the catalogue's own pictures, with their vectors."""
    pictures = read_pictures(catalogue, Preprocessing(_SIDE), seed=seed, whole=True, shown=progress)
    refused = _refused(catalogue, pictures.refused)
    if len(pictures.rows) < _LEAST:
        return ShopContent({}, {}, refused)
    if text is not None and not text.aligned(catalogue.items)[1][pictures.rows].any():
        text = None
    encoder = ImageEncoder.fit_pictures(pictures, catalogue.items, text=text, seed=seed, progress=progress)
    with probed_threads():
        blocks = [encoder.encode_prepared(list(block)) for block in torch.split(pictures.whole, _BATCH)]
    vectors = Embeddings(catalogue.items.take(pictures.rows), np.concatenate(blocks), encoder.fingerprint)
    seen = {*pictures.rows.tolist(), *pictures.refused}
    rest = [row for row, path in enumerate(catalogue.images()) if path is not None and row not in seen]
    if rest:  # more than memory holds
        more, unread = encode_content({"image": encoder}, catalogue.take(rest), progress=progress)
        ids = IdMap(pa.concat_arrays([vectors.ids.array, more["image"].ids.array]))
        vectors = Embeddings(ids, np.concatenate([vectors.vectors, more["image"].vectors]), encoder.fingerprint)
        refused = refusals([refused, unread])
    return ShopContent({"image": encoder}, {"image": vectors}, refused)


def _refused(catalogue: Catalogue, reasons: Mapping[int, str]) -> pa.Table:
    ids = pa.array(catalogue.items.ids(list(reasons)), pa.large_string())
    return pa.table({"id": ids, "reason": pa.array(reasons.values(), pa.large_string())})
