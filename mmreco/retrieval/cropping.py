"""Pictures that are asked for, cut to the box in which the product is."""

from collections.abc import Sequence
from typing import Any

from mmreco.arguments import listed
from mmreco.data.boxes import Box, inside
from mmreco.encoders.image.decoding import Picture, PictureContent, open_picture
from mmreco.errors import DataError
from mmreco.protocols import Detects

__all__ = ["cropped"]


def cropped(
    pictures: Sequence[PictureContent], boxes: Sequence[Box | None] | Detects[Any]
) -> tuple[list[Picture], tuple[Box | None, ...]]:
    """Each picture cut to its box, and the box that was used, in whole pixels; None for the whole picture.

    Parameters
    ----------
    pictures : paths, bytes of files or Pillow images
    boxes : one a picture, or what finds them
        `(x0, y0, x1, y1)` in pixels of the upright picture, None for the whole. Of what a detector finds the best is
        taken, and the whole picture where it finds nothing.

    Raises
    ------
    DataError
        There are not as many boxes as pictures; a box is empty, leaves its picture or is not four numbers; or a picture
        cannot be read. The picture's place is named.
    """
    opened = [open_picture(picture) for picture in pictures]
    given: list[Any] = (
        [found.best() for found in boxes.detect(opened)] if isinstance(boxes, Detects) else listed("boxes", boxes)
    )
    if len(given) != len(opened):
        raise DataError(
            f"boxes: {len(given)} for {len(opened)} pictures; expected one each, None for the whole picture"
        )
    parts: list[Picture] = []
    used: list[Box | None] = []
    for place, (picture, box) in enumerate(zip(opened, given, strict=True)):
        if box is None:
            parts.append(picture)
            used.append(None)
            continue
        try:
            window = inside(box, *picture.size)
        except DataError as error:
            raise DataError(f"boxes: picture {place}: {error}") from error
        parts.append(picture.crop(window))
        used.append((float(window[0]), float(window[1]), float(window[2]), float(window[3])))
    return parts, tuple(used)
