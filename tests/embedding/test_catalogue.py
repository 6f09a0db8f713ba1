"""A catalogue through its encoders."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.reviews import Reviews
from mmreco.embedding.catalogue import encode_content, modality
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError


class Plain:
    """What the promise `Encoder` names, and nothing else."""

    dim = 2
    fingerprint = "plain"

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        return np.array([[0.6, 0.8] for _ in contents], dtype=np.float32)


class Asking(Plain):
    def encode_query(self, queries: Sequence[str], *, batch_size: int = 64) -> F32:
        return np.array([[0, 1] for _ in queries], dtype=np.float32)

    def encode_document(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        return np.array([[1, 0] for _ in contents], dtype=np.float32)


def shop(**columns: list[str | None]) -> Catalogue:
    return Catalogue.from_frame(pa.table({"item_id": ["a", "b", "c"], **columns}))


def test_items_without_content_have_no_vector() -> None:
    content, refused = encode_content({"text": Plain(), "image": Plain()}, shop(title=["x", None, "y"]))
    assert content["text"].ids.array.to_pylist() == ["a", "c"]
    assert content["text"].fingerprint == "plain"
    assert (len(content["image"]), content["image"].dim, refused.num_rows) == (0, 2, 0)


def test_no_encoder_gives_no_content_and_an_empty_table() -> None:
    content, refused = encode_content({}, shop(title=["x", "y", "z"]))
    assert (content, refused.column_names, refused.num_rows) == ({}, ["id", "reason"], 0)


def test_items_are_documents() -> None:
    content, _ = encode_content({"text": Asking()}, shop(title=["x", "y", "z"]))
    np.testing.assert_array_equal(content["text"].vectors, [[1, 0]] * 3)


def test_names_say_what_is_read() -> None:
    assert [modality(name) for name in ("text", "text1", "image", "image12")] == ["text", "text", "image", "image"]
    for name in ("title", "texts", "image-1", "../text", ""):
        with pytest.raises(DataError, match="expected a name like 'text'"):
            modality(name)


def test_reviews_speak_for_an_item_without_words() -> None:
    catalogue = Catalogue.from_frame(pa.table({"item_id": ["a", "b", "c"], "title": ["red hat", "blue coat", None]}))
    written = pa.table({"item_id": ["c", "c"], "text": ["a red hat indeed", "red"]})
    encoder = LexicalEncoder(dim=4).fit(["red hat", "blue coat"])
    reviews = Reviews.from_frame(written, catalogue=catalogue)
    content, _ = encode_content({"text": encoder}, catalogue, reviews)
    scores = encoder.encode_query(["red"]) @ content["text"].vectors.T  # (1, n), of the items a, b and c
    assert scores[0, 2] > scores[0, 1] + 0.5
