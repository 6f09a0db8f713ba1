"""StaticEncoder: one vector a token, fitted to what a text model makes of the shop's texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from mmreco.encoders.registry import encoder_kind
from mmreco.encoders.text.static import StaticEncoder, _correction
from mmreco.errors import DataError
from mmreco.protocols import Encoder

WORDS = [f"w{n}" for n in range(60)]


class Teacher:
    """A text's vector is the weighted mean of its words' true vectors; the tokens' own vectors know half of them."""

    dim = 12

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.true = rng.normal(size=(61, self.dim)).astype(np.float32)
        self.own = (self.true + rng.normal(size=self.true.shape)).astype(np.float32)
        numbers = {"[UNK]": 0} | {word: n + 1 for n, word in enumerate(WORDS)}
        self.tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()

    def vocabulary(self) -> tuple[Tokenizer, np.ndarray]:
        return self.tokenizer, self.own

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        means = np.stack([self.true[self.tokenizer.encode(text).ids].mean(axis=0) for text in texts])
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def texts(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(2, 8))) for _ in range(n)]


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.distil(Teacher(), texts(800, 1), dim=12)  # type: ignore[arg-type]


def test_it_answers_as_the_teacher_on_texts_never_seen(encoder: StaticEncoder) -> None:
    new = texts(200, 2)
    wanted = Teacher().encode(new)
    ours, theirs = encoder.encode(new), wanted
    found = np.corrcoef((ours @ ours.T).ravel(), (theirs @ theirs.T).ravel())[0, 1]
    assert found > 0.95
    id_dropout_rate = np.stack([Teacher().own[Teacher().tokenizer.encode(text).ids].mean(axis=0) for text in new])
    id_dropout_rate /= np.linalg.norm(id_dropout_rate, axis=1, keepdims=True)
    assert np.corrcoef((id_dropout_rate @ id_dropout_rate.T).ravel(), (theirs @ theirs.T).ravel())[0, 1] < found - 0.1


def test_a_vector_is_the_mean_of_the_tokens_vectors(encoder: StaticEncoder) -> None:
    said = ["w1 w2 w2 w59", "nothing known", "", "w7"]
    for text, vector in zip(said, encoder.encode(said), strict=True):
        rows = [int(word[1:]) + 1 for word in text.split() if word in WORDS]
        slow = encoder._vectors[rows].sum(axis=0) if rows else np.zeros(12)
        np.testing.assert_allclose(vector, slow / (np.linalg.norm(slow) or 1), atol=1e-6)
    np.testing.assert_allclose(encoder.vocabulary_coverage(["w1 x", "w1", "x", ""]), [0.5, 1, 0, 0])
    assert isinstance(encoder, Encoder)


def test_the_correction_is_the_ridge_regression() -> None:
    import scipy.sparse as sp

    rng = np.random.default_rng(3)
    counts = sp.random_array((50, 20), density=0.2, rng=rng, dtype=np.float64).tocsr()
    rest = rng.normal(size=(50, 4))
    dense = counts.toarray()
    slow = np.linalg.solve(dense.T @ dense + 0.3 * np.eye(20), dense.T @ rest)
    np.testing.assert_allclose(_correction(counts, rest, 0.3), slow, atol=1e-5)


def test_fewer_numbers_keep_the_main_directions(encoder: StaticEncoder) -> None:
    narrow = StaticEncoder.distil(Teacher(), texts(800, 1), dim=6)  # type: ignore[arg-type]
    assert narrow.dim == 6
    assert narrow.fingerprint != encoder.fingerprint
    same = StaticEncoder.distil(Teacher(), texts(800, 1), dim=12)  # type: ignore[arg-type]
    assert same.fingerprint == encoder.fingerprint


def test_it_is_stored_without_the_teacher(encoder: StaticEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "kept")
    again = StaticEncoder.load(tmp_path / "kept")
    assert again.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(again.encode(["w1 w2"]), encoder.encode_query(["w1 w2"]))
    assert encoder_kind(again) == "StaticEncoder"


def test_what_cannot_be_distilled(encoder: StaticEncoder) -> None:
    with pytest.raises(DataError, match="3 texts that differ; expected 10"):
        StaticEncoder.distil(Teacher(), ["a", "b", "c", "c", " "])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="dim=13; expected 1 to 12"):
        StaticEncoder.distil(Teacher(), texts(20, 1), dim=13)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="row 1 is None"):
        encoder.encode(["a", None])  # type: ignore[list-item]
    with pytest.raises(DataError, match="batch_size=0"):
        encoder.encode(["a"], batch_size=0)
