"""EncoderContract: what every encoder keeps, for authors to run over their own."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mmreco.encoders.registry import encoder_class, encoder_kind
from mmreco.protocols import Encoder, Storable

__all__ = ["EncoderContract"]


class EncoderContract:
    """A test class to inherit from: finish `make` and `contents`, and pytest checks all that the library relies on.

    Examples
    --------
    >>> class TestMine(EncoderContract):
    ...     contents = ["red dress", "blue shirt", "green hat"]
    ...
    ...     def make(self, folder: Path) -> Encoder[str]:
    ...         from mmreco.encoders.text.lexical import LexicalEncoder
    ...
    ...         return LexicalEncoder(dim=4).fit(self.contents)
    """

    contents: ClassVar[list[Any]] = []
    """Three or more contents, the first two unlike each other."""

    _made: ClassVar[dict[type, Encoder[Any]]] = {}

    def make(self, folder: Path) -> Encoder[Any]:
        """The encoder; `folder` is an empty one of its own, for weights."""
        raise NotImplementedError("finish make(self, folder): the encoder")

    @pytest.fixture
    def encoder(self, tmp_path_factory: pytest.TempPathFactory) -> Encoder[Any]:
        """The encoder; one for all tests, since encoding must not change it."""
        if type(self) not in self._made:
            self._made[type(self)] = self.make(tmp_path_factory.mktemp("encoder"))
        return self._made[type(self)]

    def test_vectors_have_unit_length_and_the_width_promised(self, encoder: Encoder[Any]) -> None:
        assert isinstance(encoder, Encoder)
        vectors = encoder.encode(self.contents)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(self.contents), encoder.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_batches_do_not_change_the_vectors(self, encoder: Encoder[Any]) -> None:
        contents = self.contents * 4
        together = encoder.encode(contents)
        np.testing.assert_allclose(encoder.encode(contents, batch_size=1), together, atol=1e-5)
        for row in (0, 2, len(contents) - 1):
            np.testing.assert_allclose(encoder.encode([contents[row]])[0], together[row], atol=1e-5)

    def test_equal_contents_have_equal_vectors_and_others_do_not(self, encoder: Encoder[Any]) -> None:
        first, second, again = encoder.encode([self.contents[0], self.contents[1], self.contents[0]])
        np.testing.assert_allclose(first, again, atol=1e-5)
        assert np.linalg.norm(first - second) > 0.1

    def test_an_empty_batch_has_no_vectors(self, encoder: Encoder[Any]) -> None:
        assert encoder.encode([]).shape == (0, encoder.dim)

    def test_encoding_leaves_the_fingerprint(self, encoder: Encoder[Any]) -> None:
        before = encoder.fingerprint
        encoder.encode(self.contents)
        assert before
        assert encoder.fingerprint == before

    def test_a_stored_encoder_is_the_same(self, encoder: Encoder[Any], tmp_path: Path) -> None:
        if not isinstance(encoder, Storable):
            pytest.skip("it is not stored")
        encoder.save_to(tmp_path)
        again = encoder_class(encoder_kind(encoder)).load_from(tmp_path)
        assert (again.dim, again.fingerprint) == (encoder.dim, encoder.fingerprint)
        np.testing.assert_allclose(again.encode(self.contents), encoder.encode(self.contents), atol=1e-6)
