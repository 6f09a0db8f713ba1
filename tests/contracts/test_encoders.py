"""What every encoder promises, whatever it reads."""

from pathlib import Path
from typing import Any

import numpy as np

from mmreco.encoders.registry import encoder_class, encoder_kind
from mmreco.protocols import Encoder, Storable

Case = tuple[Encoder[Any], list[Any]]


def test_vectors_have_unit_length_and_the_width_promised(encoder_and_contents: Case) -> None:
    encoder, contents = encoder_and_contents
    assert isinstance(encoder, Encoder)
    vectors = encoder.encode(contents)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(contents), encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_batches_do_not_change_the_vectors(encoder_and_contents: Case) -> None:
    encoder, contents = encoder_and_contents
    together = encoder.encode(contents)
    np.testing.assert_allclose(encoder.encode(contents, batch_size=1), together, atol=1e-5)
    for row in (0, 3, len(contents) - 1):
        np.testing.assert_allclose(encoder.encode([contents[row]])[0], together[row], atol=1e-5)


def test_equal_contents_have_equal_vectors_and_others_do_not(encoder_and_contents: Case) -> None:
    encoder, contents = encoder_and_contents
    assert contents[0] == contents[3]
    vectors = encoder.encode(contents)
    np.testing.assert_allclose(vectors[0], vectors[3], atol=1e-5)
    assert np.linalg.norm(vectors[0] - vectors[1]) > 0.1


def test_an_empty_batch_has_no_vectors(encoder_and_contents: Case) -> None:
    encoder, _ = encoder_and_contents
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_a_read_encoder_is_the_same(encoder_and_contents: Case, tmp_path: Path) -> None:
    encoder, contents = encoder_and_contents
    assert isinstance(encoder, Storable)
    encoder.save_to(tmp_path)
    again = encoder_class(encoder_kind(encoder)).load_from(tmp_path)
    assert (again.dim, again.fingerprint) == (encoder.dim, encoder.fingerprint)
    np.testing.assert_allclose(again.encode(contents), encoder.encode(contents), atol=1e-6)


def test_encoding_leaves_the_fingerprint(encoder_and_contents: Case) -> None:
    encoder, contents = encoder_and_contents
    before = encoder.fingerprint
    encoder.encode(contents)
    assert before
    assert encoder.fingerprint == before
