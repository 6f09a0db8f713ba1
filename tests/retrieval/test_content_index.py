"""Queries answered in each encoder's own space: who may answer, with which weight."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.data.ids import IdMap
from mmreco.embedding.catalogue import encode_content
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError, IncompatibleError, UnknownIdError
from mmreco.retrieval.content_index import (
    ContentIndex,
    content_scores,
    load_content_indexes,
    save_content_indexes,
)

ITEMS = IdMap.of(["a", "b", "c"])


class Letters:
    """A vector for each of two words, and what it knows of a query."""

    dim = 2
    fingerprint = "letters"

    def __init__(self, known: float = 1.0, flip: bool = False) -> None:
        self.share, self.flip = known, flip

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        first = np.array([c == "x" for c in contents], dtype=np.float32)
        return np.stack([first, 1 - first], axis=1)[:, :: -1 if self.flip else 1]

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        return np.array([0.0 if t == "?" else self.share for t in queries], dtype=np.float32)


def channel(modality: str, ids: list[str], vectors: list[list[float]], encoder: Letters | None = None) -> ContentIndex:
    embeddings = Embeddings(IdMap.of(ids), np.array(vectors, dtype=np.float32))
    return ContentIndex(modality, encoder or Letters(), ITEMS, embeddings)  # type: ignore[arg-type]


def test_items_without_the_content_are_no_candidates() -> None:
    scores = content_scores([channel("text", ["c", "a"], [[1, 0], [0, 1]])], {"text": ["x", "y"]})
    np.testing.assert_array_equal(scores, [[0, -np.inf, 1], [1, -np.inf, 0]])


def test_channels_count_by_what_they_know() -> None:
    right = channel("text", ["a", "b", "c"], [[1, 0], [0, 1], [0, 1]], Letters(0.75))
    wrong = channel("text", ["a", "b", "c"], [[1, 0], [0, 1], [0, 1]], Letters(0.25, flip=True))
    np.testing.assert_allclose(content_scores([right, wrong], {"text": ["x"]}), [[0.75, 0.25, 0.25]])
    knows_nothing = channel("text", ["a", "b", "c"], [[0, 1], [1, 0], [1, 0]], Letters(0.0))
    np.testing.assert_allclose(content_scores([right, knows_nothing], {"text": ["x"]}), [[1, 0, 0]])


def test_what_no_channel_knows_finds_nothing() -> None:
    scores = content_scores([channel("text", ["a"], [[1, 0]])], {"text": ["?", "x"]})
    assert np.isneginf(scores[0]).all()
    assert scores[1, 0] == 1


def test_both_modalities_are_averaged_and_the_lacking_one_counts_zero() -> None:
    text = channel("text", ["a", "b"], [[1, 0], [1, 0]])
    image = channel("image", ["a"], [[0, 1]])
    np.testing.assert_array_equal(content_scores([text, image], {"text": ["x"], "image": ["y"]}), [[1, 0.5, -np.inf]])


def test_queries_must_be_answerable() -> None:
    text = channel("text", ["a"], [[1, 0]])
    for queries, said in [
        ({}, "queries: none"),
        ({"text": ["x"], "image": []}, "1 of text, 0 of image"),
        ({"image": ["x"]}, "no image encoder"),
    ]:
        with pytest.raises(DataError, match=said):
            content_scores([text], queries)  # type: ignore[arg-type]


def test_a_channel_fits_its_items_and_its_encoder() -> None:
    with pytest.raises(UnknownIdError, match="'z'"):
        channel("text", ["z"], [[1, 0]])
    with pytest.raises(IncompatibleError, match="width 2; the embeddings have 3"):
        channel("text", ["a"], [[1, 0, 0]])


def test_written_is_read(tmp_path: Path) -> None:
    shop = Catalogue.from_frame(pa.table({"item_id": ["a", "b", "c"], "title": ["red hat", "蓝色外套", None]}))
    encoder = LexicalEncoder(dim=4).fit(["red hat", "蓝色外套", "red coat"])
    content, refused = encode_content({"text": encoder}, shop)
    assert refused.num_rows == 0
    assert content["text"].ids.array.to_pylist() == ["a", "b"]
    written = {"text": ContentIndex("text", encoder, shop.items, content["text"])}
    save_content_indexes(tmp_path / "c", written)
    again = load_content_indexes(tmp_path / "c", shop.items)
    queries = {"text": ["red", "外套"]}
    np.testing.assert_array_equal(
        content_scores(list(written.values()), queries),  # type: ignore[arg-type]
        content_scores(list(again.values()), queries),  # type: ignore[arg-type]
    )


def test_a_grown_channel_answers_with_its_new_items() -> None:
    text = channel("text", ["a"], [[1, 0]])
    more = Embeddings(IdMap.of(["d"]), np.array([[0, 1]], dtype=np.float32))
    grown = text.grown(IdMap.of(["a", "b", "c", "d"]), more)
    np.testing.assert_array_equal(content_scores([grown], {"text": ["y"]}), [[0, -np.inf, -np.inf, 1]])


def test_only_known_kinds_are_stored_and_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="encoder Letters: cannot be stored"):
        save_content_indexes(tmp_path / "c", {"text": channel("text", ["a"], [[1, 0]])})
    for about, error, said in [
        ({"name": "text", "kind": "os.system"}, IncompatibleError, "os.system"),
        ({"name": "../../etc", "kind": "LexicalEncoder"}, DataError, "a name like"),
    ]:
        folder = tmp_path / said[:2]
        folder.mkdir()
        (folder / "channels.json").write_text(json.dumps([about]))
        with pytest.raises(error, match=said):
            load_content_indexes(folder, ITEMS)
