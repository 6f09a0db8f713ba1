"""A catalogue through its encoders: texts, pictures and reviews become embeddings, by the encoder's name."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import pyarrow as pa

from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.reviews import Reviews
from mmreco.embedding.embed import embed
from mmreco.embedding.review_blend import blend_reviews
from mmreco.errors import DataError
from mmreco.protocols import Encoder

__all__ = ["Modality", "encode_content", "modality", "refusals", "with_reviews"]

Modality = Literal["text", "image"]

_NAME = re.compile(r"(text|image)[0-9]{0,6}")


def modality(name: str) -> Modality:
    """What the encoder of this name reads: names are "text", "text1", ... and "image", "image1", ...

    Raises
    ------
    DataError
        The name is of neither kind.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(f"encoder {name[:40]!r}: expected a name like 'text', 'text1', 'image' or 'image1'")
    return "text" if match[1] == "text" else "image"


def encode_content(
    encoders: Mapping[str, Encoder[Any]],
    catalogue: Catalogue,
    reviews: Reviews | None = None,
    *,
    progress: bool = False,
) -> tuple[dict[str, Embeddings], pa.Table]:
    """Each encoder's vectors of the catalogue's content, by the encoder's name, and what was refused (`id`, `reason`).

    Reviews become part of an item's text vector. An encoder that finds no content has embeddings of no item.

    Parameters
    ----------
    encoders : by name
        "text", "text1", ... read `catalogue.texts()`; "image", "image1", ... read `catalogue.images()`.
    catalogue : the items
    reviews : of the same items, optional
    progress : whether to show a bar, optional

    Raises
    ------
    DataError
        An encoder's name is of no modality, or as `embed`.
    """
    content, refused = {}, []
    for name, encoder in encoders.items():
        kind = modality(name)
        contents: list[Any] = list(catalogue.texts() if kind == "text" else catalogue.images())
        result = embed(encoder, catalogue.items, contents, progress=progress)
        content[name] = result.embeddings
        refused.append(result.refused)
    return with_reviews(content, encoders, reviews), refusals(refused)


def with_reviews(
    content: Mapping[str, Embeddings], encoders: Mapping[str, Encoder[Any]], reviews: Reviews | None
) -> dict[str, Embeddings]:
    """The content with what reviews say as part of an item's text vectors; as it is without reviews.

    Parameters
    ----------
    content : vectors of the items without their reviews, by the encoder's name
    encoders : by name
    reviews : of the items, or None
    """
    if reviews is None:
        return dict(content)
    return {
        name: blend_reviews(own, reviews, encoders[name]) if modality(name) == "text" else own
        for name, own in content.items()
    }


def refusals(tables: Iterable[pa.Table]) -> pa.Table:
    """One table of `id` and `reason` from several, or from none."""
    schema = pa.schema([("id", pa.large_string()), ("reason", pa.large_string())])
    return pa.concat_tables([schema.empty_table(), *tables])
