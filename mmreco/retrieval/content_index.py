"""Channels: a catalogue as one encoder sees it, and queries answered in that encoder's own space.

A text query is compared with the items' texts and a picture with their pictures, each by the encoder that
made the vectors, so that no encoder has to know another's space. Several channels of one modality (a BERT and
a lexical encoder, say) are averaged, weighted by how much of the query each of them knows.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32, I64
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.embedding.embed import embed
from mmreco.encoders.text.sentiment import blend_reviews
from mmreco.errors import DataError, IncompatibleError

__all__ = [
    "ContentIndex",
    "content_scores",
    "encode_catalogue",
    "modality",
    "load_content_indexes",
    "save_content_indexes",
]

Modality = Literal["text", "image"]

# Encoders by the name they are stored under. Nothing else is ever imported for an artefact.
KINDS = {
    "ImageEncoder": "mmreco.encoders.image.encoder",
    "LexicalEncoder": "mmreco.encoders.text.lexical",
    "StaticEncoder": "mmreco.encoders.text.static",
    "TextEncoder": "mmreco.encoders.text.encoder",
}


@dataclass(frozen=True, eq=False)
class ContentIndex:
    """What each item says through one encoder.

    Parameters
    ----------
    modality : "text" or "image"
    encoder : an encoder of that modality
    items : IdMap of the catalogue
    embeddings : vectors of the items that have such content
        Their ids are among `items`.

    Raises
    ------
    UnknownIdError
        The embeddings hold an id that is not among `items`.
    IncompatibleError
        The embeddings are not the encoder's width.
    """

    modality: Modality
    encoder: Any
    items: IdMap
    embeddings: Embeddings

    def __post_init__(self) -> None:
        if self.embeddings.dim != self.encoder.dim:
            raise IncompatibleError(
                f"{type(self.encoder).__name__} makes vectors of width {self.encoder.dim}; "
                f"the embeddings have {self.embeddings.dim}; encode the catalogue again"
            )
        _ = self.rows

    @cached_property
    def rows(self) -> I64:
        """The item row of each embedding, shape `(len(embeddings),)`."""
        return self.items.rows(self.embeddings.ids.array)

    def grown(self, items: IdMap, more: Embeddings) -> "ContentIndex":
        """The channel over a larger catalogue, with the vectors of its new items."""
        ids = IdMap.of([*self.embeddings.ids.array.to_pylist(), *more.ids.array.to_pylist()])
        vectors = np.concatenate([self.embeddings.vectors, more.vectors])
        return ContentIndex(self.modality, self.encoder, items, Embeddings(ids, vectors, self.embeddings.fingerprint))

    def weights(self, queries: Sequence[Any]) -> F32:
        """How far each query is to be trusted to this channel, shape `(n,)`, between 0 and 1."""
        if self.modality == "text":
            return np.asarray(self.encoder.known(queries), dtype=np.float32)
        return np.ones(len(queries), dtype=np.float32)

    def encoded(self, queries: Sequence[Any]) -> F32:
        """The queries' vectors of unit length, shape `(n, dim)`."""
        encode = self.encoder.encode_queries if self.modality == "text" else self.encoder.encode
        return np.asarray(encode(queries), dtype=np.float32)


def modality(name: str) -> Modality:
    """What the channel of this name reads: names are "text", "text1", ... and "image", "image1", ..."""
    return "text" if name.startswith("text") else "image"


def encode_catalogue(
    encoders: Mapping[str, Any], catalogue: Catalogue, reviews: Reviews | None = None, *, progress: bool = False
) -> tuple[dict[str, Embeddings], pa.Table]:
    """Each encoder's vectors of the catalogue's content, by the encoder's name, and what was refused (id, reason).

    Reviews become part of an item's text vector.
    """
    content, refused = {}, []
    for name, encoder in encoders.items():
        contents: list[Any] = list(catalogue.texts() if modality(name) == "text" else catalogue.images())
        embedded = embed(encoder, catalogue.items, contents, progress=progress)
        content[name] = embedded.embeddings
        if reviews is not None and modality(name) == "text":
            content[name] = blend_reviews(embedded.embeddings, reviews, encoder)
        refused.append(embedded.refused)
    schema = pa.schema([("id", pa.large_string()), ("reason", pa.large_string())])
    return content, pa.concat_tables([schema.empty_table(), *refused])


def content_scores(channels: Sequence[ContentIndex], queries: Mapping[Modality, Sequence[Any]]) -> F32:
    """The cosine of each query with each item's content, shape `(n, n_items)`.

    Inside a modality the channels are averaged by their weight for the query; over modalities the mean is
    taken, in which an item that lacks one of them counts 0 there. Items without any of the modalities asked
    for get -inf, and so does every item for a query of which no channel knows anything.

    Parameters
    ----------
    queries : one sequence of `n` a modality
        What to look for: texts, pictures or both.

    Raises
    ------
    DataError
        Nothing is asked, two modalities have different numbers of queries, or no channel reads a modality.
    """
    lengths = {len(asked) for asked in queries.values()}
    if len(lengths) != 1:
        said = ", ".join(f"{len(asked)} of {name}" for name, asked in queries.items()) or "none"
        raise DataError(f"queries: {said}; expected as many of each (question q is text q with picture q)")
    n = lengths.pop()
    scores: F32 = np.zeros((n, len(channels[0].items) if channels else 0), dtype=np.float32)
    answered = np.zeros(scores.shape, dtype=bool)
    for kind, asked in queries.items():
        reading = [c for c in channels if c.modality == kind]
        if not reading:
            raise DataError(f"{kind}: no {kind} encoder was fitted, as no item had any; give another query")
        weights = np.stack([c.weights(asked) for c in reading])  # (channels, n)
        total = weights.sum(axis=0)
        shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        for channel, share in zip(reading, shares, strict=True):
            if not share.any():
                continue
            cosines = channel.encoded(asked) @ channel.embeddings.vectors.T  # (n, len(embeddings))
            scores[:, channel.rows] += share[:, None] * cosines / len(queries)
            answered[:, channel.rows] |= share[:, None] > 0
    scores[~answered] = -np.inf
    return scores


def save_content_indexes(folder: Path, channels: Mapping[str, ContentIndex]) -> None:
    """Write encoders and embeddings into `folder`, which is made: a folder a channel.

    Raises
    ------
    DataError
        An encoder is of a kind that cannot be stored.
    """
    folder.mkdir(parents=True)
    about = []
    for name, channel in channels.items():
        kind = type(channel.encoder).__name__
        if kind not in KINDS:
            raise DataError(f"encoder {kind}: cannot be stored; expected one of {', '.join(KINDS)}")
        for below, part in (("encoder", channel.encoder), ("embeddings", channel.embeddings)):
            (folder / name / below).mkdir(parents=True)
            part._write(folder / name / below)
        about.append({"name": name, "kind": kind})
    (folder / "channels.json").write_text(json.dumps(about), encoding="utf-8")


def load_content_indexes(folder: Path, items: IdMap) -> dict[str, ContentIndex]:
    """The channels that `save_content_indexes` wrote, over `items`.

    Raises
    ------
    DataError
        A channel's name is none that is ever given.
    IncompatibleError
        A stored encoder is of a kind this version does not know.
    """
    channels = {}
    for about in json.loads((folder / "channels.json").read_text(encoding="utf-8")):
        name, kind = about["name"], about["kind"]
        if not re.fullmatch(r"[a-z]+[0-9]*", name):
            raise DataError(f"{folder}: channel {name[:40]!r} is no name save() gives; restore the artefact or refit")
        if kind not in KINDS:
            raise IncompatibleError(f"{folder}: encoder {kind!r}; this version of mmreco reads {', '.join(KINDS)}")
        encoder = getattr(import_module(KINDS[kind]), kind)._read(folder / name / "encoder")
        embeddings = Embeddings._read(folder / name / "embeddings")
        channels[name] = ContentIndex(modality(name), encoder, items, embeddings)
    return channels
