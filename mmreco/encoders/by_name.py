"""Encoders by the names a command line can spell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmreco.errors import DataError

__all__ = ["image_encoder", "text_encoder"]


def text_encoder(name: str, texts: Sequence[str | None]) -> Any:
    """The text encoder of this name: "lexical", fitted on `texts`, or any model `TextEncoder` takes.

    Raises
    ------
    DataError
        There is no such model, or no word in the texts.
    """
    if name == "lexical":
        from mmreco.encoders.text.lexical import LexicalEncoder

        return LexicalEncoder().fit([text for text in texts if text])
    from mmreco.encoders.text.encoder import TextEncoder

    return TextEncoder(name)


def image_encoder(name: str, weights: Path | None) -> Any:
    """The picture encoder of this name, e.g. "timm/resnet50", with its weights from a file where one is given.

    A folder that `ImageEncoder.save` wrote is a name too.

    Raises
    ------
    DataError
        There is no such network, the file does not hold its weights, or weights are given for a saved encoder.
    """
    from mmreco.encoders.image.encoder import ImageEncoder

    if Path(name).is_dir():
        if weights is not None:
            raise DataError(f"weights {str(weights)!r}: {name} is a saved encoder, which has its own; leave them out")
        return ImageEncoder.load(name)
    return ImageEncoder(name) if weights is None else ImageEncoder(name, weights=weights)
