"""Which encoders may be stored and read, and that nothing an artefact names is imported."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from mmreco.arrays import F32
from mmreco.encoders import registry
from mmreco.encoders.registry import BUILT_IN, encoder_class, encoder_kind, register_encoder
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.errors import DataError, IncompatibleError


class Constant:
    """A user's own encoder, with all that storing needs."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    fingerprint = "constant"

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        return np.eye(1, self.dim, dtype=np.float32).repeat(len(contents), axis=0)

    def save_to(self, path: Path) -> None:
        (path / "constant.json").write_text(json.dumps(self.dim))

    @classmethod
    def load_from(cls, path: Path) -> Self:
        return cls(json.loads((path / "constant.json").read_text()))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def test_a_registered_class_is_stored_and_read(tmp_path: Path) -> None:
    assert register_encoder(Constant) is Constant
    register_encoder(Constant)
    encoder = Constant(3)
    encoder.save_to(tmp_path)
    assert encoder_class(encoder_kind(encoder)).load_from(tmp_path).dim == 3


def test_what_was_not_registered_is_refused_on_both_ways() -> None:
    with pytest.raises(DataError, match=r"encoder Constant: cannot be stored.*register_encoder\(Constant\)"):
        encoder_kind(Constant(3))
    with pytest.raises(IncompatibleError, match="encoder 'Constant'"):
        encoder_class("Constant")


@pytest.mark.parametrize("kind", ["os.system", "antigravity", "mmreco.encoders.text.lexical.LexicalEncoder", ""])
def test_nothing_an_artefact_names_is_imported(kind: str) -> None:
    before = set(sys.modules)
    with pytest.raises(IncompatibleError):
        encoder_class(kind)
    assert set(sys.modules) == before


def test_every_built_in_kind_is_found() -> None:
    for kind in BUILT_IN:
        assert encoder_class(kind).__name__ == kind


def test_a_class_by_the_name_of_another_is_refused() -> None:
    class LexicalEncoder2(LexicalEncoder):
        pass

    LexicalEncoder2.__name__ = "LexicalEncoder"
    with pytest.raises(DataError, match="stands for another class"):
        register_encoder(LexicalEncoder2)
    with pytest.raises(DataError, match="cannot be stored"):
        encoder_kind(LexicalEncoder2())

    class Other(Constant):
        pass

    Other.__name__ = "Constant"
    register_encoder(Constant)
    with pytest.raises(DataError, match="stands for another class"):
        register_encoder(Other)


def test_what_cannot_be_stored_is_not_registered() -> None:
    class Silent:
        dim, fingerprint = 1, ""

    for given in (Silent, Constant(1), "Constant"):
        with pytest.raises(DataError, match="expected a class with save_to"):
            register_encoder(given)  # type: ignore[type-var]
