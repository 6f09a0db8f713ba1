"""Channels: a catalogue as one encoder sees it, and queries answered in that encoder's own space.

A text query is compared with the items' texts and a picture with their pictures, each by the encoder that
made the vectors, so that no encoder has to know another's space. Several channels of one modality (a BERT and
a lexical encoder, say) are averaged, weighted by how much of the query each of them knows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.catalogue import Modality, modality
from mmreco.encoders.queries import encode_query, vocabulary_coverage
from mmreco.encoders.registry import encoder_class, encoder_kind
from mmreco.errors import DataError, IncompatibleError
from mmreco.protocols import Encoder

__all__ = [
    "ContentIndex",
    "content_scores",
    "load_content_indexes",
    "save_content_indexes",
]


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
    encoder: Encoder[Any]
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
        return vocabulary_coverage(self.encoder, queries)

    def encoded(self, queries: Sequence[Any]) -> F32:
        """The queries' vectors of unit length, shape `(n, dim)`."""
        return encode_query(self.encoder, queries)


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
        kind = encoder_kind(channel.encoder)
        encoder: Any = channel.encoder  # `Storable`, or it would not be registered
        for below in ("encoder", "embeddings"):
            (folder / name / below).mkdir(parents=True)
        encoder.save_to(folder / name / "encoder")
        channel.embeddings._write(folder / name / "embeddings")
        about.append({"name": name, "kind": kind})
    (folder / "channels.json").write_text(json.dumps(about), encoding="utf-8")


def load_content_indexes(folder: Path, items: IdMap) -> dict[str, ContentIndex]:
    """The channels that `save_content_indexes` wrote, over `items`.

    Raises
    ------
    DataError
        A channel's name is none that `save_content_indexes` gives.
    IncompatibleError
        A stored encoder is of a kind that is neither built in nor registered.
    """
    channels = {}
    for about in json.loads((folder / "channels.json").read_text(encoding="utf-8")):
        name, kind = about["name"], about["kind"]
        reads = modality(name)
        encoder = encoder_class(kind).load_from(folder / name / "encoder")
        embeddings = Embeddings._read(folder / name / "embeddings")
        channels[name] = ContentIndex(reads, encoder, items, embeddings)
    return channels
