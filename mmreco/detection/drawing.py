"""What was found in a picture, shown in it."""

from PIL import ImageDraw

from mmreco.data.boxes import Box
from mmreco.encoders.image.decoding import Picture

__all__ = ["framed"]

_LINE = 4  # pixels


def framed(picture: Picture, box: Box) -> Picture:
    """A copy of the picture with a frame around the box."""
    copy = picture.convert("RGB")
    draw = ImageDraw.Draw(copy)
    draw.rectangle(box, outline="white", width=_LINE)
    draw.rectangle(box, outline="#9c3a29", width=_LINE - 1)
    return copy
