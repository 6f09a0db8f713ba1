"""Contracts for authors: test classes that ask a model, an index or an encoder all that the library relies on.

They need pytest. A class of yours inherits from one and finishes `make`:

    from mmreco.testing import ModelContract

    class TestMine(ModelContract):
        def make(self):
            return Mine(depth=2)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmreco.testing.encoders import EncoderContract
    from mmreco.testing.indexes import IndexContract
    from mmreco.testing.models import ModelContract

__all__ = ["EncoderContract", "IndexContract", "ModelContract"]

_FILES = {
    "EncoderContract": "mmreco.testing.encoders",
    "IndexContract": "mmreco.testing.indexes",
    "ModelContract": "mmreco.testing.models",
}


def __getattr__(name: str) -> object:
    if name not in _FILES:
        raise AttributeError(f"module 'mmreco.testing' has no attribute {name!r}")
    return getattr(import_module(_FILES[name]), name)
