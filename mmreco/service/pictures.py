"""Pictures: small JPEGs of the items' pictures, made once and held in memory up to a limit.

Only the paths in the catalogue are opened, which the shop wrote; nothing in a request is a path.
"""

import base64
import io
import threading
from collections import OrderedDict
from pathlib import Path

from mmreco.encoders.image.decoding import open_picture
from mmreco.errors import DataError
from mmreco.recommender import Recommender

__all__ = ["Pictures", "jpeg"]

_SIDE = 480  # pixels of the longer side
_MOST_BYTES = 64 << 20  # of all that is held


class Pictures:
    """Small JPEGs by path; the ones that were not asked for longest are dropped first."""

    def __init__(self) -> None:
        self._held: OrderedDict[Path, bytes | None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, recommender: Recommender, item_id: str) -> bytes | None:
        """The picture of an item as a JPEG; None where the item or its picture is not known, or cannot be read."""
        catalogue = recommender.catalogue
        row = int(catalogue.items.rows([item_id], missing="mark")[0])
        if row < 0 or not catalogue.has("image"):
            return None
        path = catalogue.table["image"][row].as_py()
        return None if path is None else self.small(Path(path))

    def small(self, path: Path) -> bytes | None:
        """The picture at a path of the catalogue as a JPEG of 480 pixels; None for one that cannot be read."""
        with self._lock:
            if path in self._held:
                self._held.move_to_end(path)
                return self._held[path]
        try:
            made: bytes | None = jpeg(path, _SIDE)
        except DataError:
            made = None
        with self._lock:
            if path not in self._held:
                self._held[path] = made
                self._bytes += len(made or b"")
            while self._bytes > _MOST_BYTES:
                self._bytes -= len(self._held.popitem(last=False)[1] or b"")
        return made

    def embedded(self, path: Path) -> str | None:
        """The same as an address that holds it."""
        made = self.small(path)
        return None if made is None else f"data:image/jpeg;base64,{base64.b64encode(made).decode()}"


def jpeg(content: Path | bytes, side: int) -> bytes:
    """A picture as a JPEG whose longer side is `side` pixels at most.

    Raises
    ------
    DataError
        It cannot be read.
    """
    opened = open_picture(content, size=side)
    opened.thumbnail((side, side))
    written = io.BytesIO()
    opened.save(written, "JPEG", quality=82, optimize=True)
    return written.getvalue()
