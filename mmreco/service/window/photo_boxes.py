"""PhotoBoxes: the part of a visitor's photo that is compared: one that is named, or what a detector finds."""

from dataclasses import dataclass
from pathlib import Path

from mmreco.data.boxes import Box
from mmreco.detection.detector import Detector
from mmreco.encoders.image.decoding import Picture

__all__ = ["PhotoBoxes"]

_FOUND = "found"
_PARTS = {
    "whole": (0.0, 0.0, 1.0, 1.0),
    "middle": (0.2, 0.2, 0.8, 0.8),
    "top": (0.0, 0.0, 1.0, 0.5),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
}  # left, top, right, bottom as shares of the photo's sides


@dataclass(frozen=True)
class PhotoBoxes:
    """Parts of a photo by name, the one that is looked at unless another is chosen first.

    Parameters
    ----------
    detector : where in a photo the product is, optional
        With one, what it finds comes first.
    """

    detector: Detector | None = None

    @classmethod
    def beside(cls, artefact: Path) -> "PhotoBoxes":
        """With the detector beside an artefact, `artefact.detector/` for `artefact/`, if there is one.

        Raises
        ------
        DataError, IncompatibleError
            The folder holds something else, or is damaged.
        """
        folder = artefact.with_name(f"{artefact.name}.detector")
        return cls(Detector.load(folder) if folder.exists() else None)

    @property
    def names(self) -> list[str]:
        """What may be chosen."""
        return [*([] if self.detector is None else [_FOUND]), *_PARTS]

    def of(self, photo: Picture, name: str) -> Box | None:
        """The box of a part, in pixels of the photo; None for the whole, and where nothing was found."""
        if name == "whole":
            return None
        if name == _FOUND and self.detector is not None:
            return self.detector.detect([photo])[0].best()
        left, top, right, bottom = _PARTS[name]
        width, height = photo.size
        return left * width, top * height, right * width, bottom * height
