"""An encoder that promises `Encoder` alone answers queries as well as one that tells queries from documents."""

from collections.abc import Sequence

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.encoders.queries import encode_document, encode_query, vocabulary_coverage
from mmreco.errors import DataError
from mmreco.protocols import CoversVocabulary, Encoder, QueryEncoder


class Plain:
    """What the promise `Encoder` names, and nothing else."""

    dim = 2
    fingerprint = "plain"

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        return np.array([[1, 0] for _ in contents], dtype=np.float32).reshape(-1, 2)


class Asking(Plain):
    def encode_query(self, queries: Sequence[str], *, batch_size: int = 64) -> F32:
        return np.array([[0, 1] for _ in queries], dtype=np.float32)

    def encode_document(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        return np.array([[0, -1] for _ in contents], dtype=np.float32)

    def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
        return np.array([len(query) / 10 for query in queries], dtype=np.float32)


def test_a_plain_encoder_answers_by_encode() -> None:
    encoder = Plain()
    assert isinstance(encoder, Encoder)
    assert not isinstance(encoder, (QueryEncoder, CoversVocabulary))
    np.testing.assert_array_equal(encode_query(encoder, ["a", "b"]), [[1, 0], [1, 0]])
    np.testing.assert_array_equal(encode_document(encoder, ["a"]), [[1, 0]])
    np.testing.assert_array_equal(vocabulary_coverage(encoder, ["a", ""]), [1, 1])


def test_queries_and_documents_go_their_own_ways() -> None:
    encoder = Asking()
    assert isinstance(encoder, QueryEncoder)
    assert isinstance(encoder, CoversVocabulary)
    np.testing.assert_array_equal(encode_query(encoder, ["a"]), [[0, 1]])
    np.testing.assert_array_equal(encode_document(encoder, ["a"]), [[0, -1]])
    np.testing.assert_allclose(vocabulary_coverage(encoder, ["aaaa", ""]), [0.4, 0])


def test_an_answer_of_another_shape_is_refused() -> None:
    class Wide(Plain):
        dim = 3

    class Boasting(Asking):
        def vocabulary_coverage(self, queries: Sequence[str]) -> F32:
            return np.array([2.0 for _ in queries], dtype=np.float32)

    with pytest.raises(DataError, match=r"Wide: vectors of shape \(1, 2\) for 1 contents; expected \(1, 3\)"):
        encode_query(Wide(), ["a"])
    with pytest.raises(DataError, match="Boasting: vocabulary_coverage"):
        vocabulary_coverage(Boasting(), ["a"])
