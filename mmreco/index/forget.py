"""Erasing items from a stored index, not only hiding them."""

from collections.abc import Iterable
from pathlib import Path
from time import monotonic, sleep

from mmreco.arguments import path_of
from mmreco.errors import DataError
from mmreco.index.arguments import id_list
from mmreco.index.vector import VectorIndex
from mmreco.storage.artefact import settled
from mmreco.storage.lock import hold

__all__ = ["forget"]


def forget(folder: str | Path, ids: Iterable[str], *, patience: float = 30.0) -> VectorIndex:
    """The stored index without these items, whose ids and vectors are then in no file of `folder` any more.

    The structure is built anew, since the old one would keep the vectors; generations with the items are removed once
    their readers have ended. Nobody else can write to the folder meanwhile.

    Parameters
    ----------
    folder : where `VectorIndex.save` wrote
    ids : items of the index
    patience : seconds to wait for readers of the old generation

    Raises
    ------
    DataError
        `ids` is not a list of ids, there is no index, it is damaged, another writer is at work, or readers outlast
        `patience`: the items are out of the index, but not yet off the disk, and the next `forget`, `save` or `load`
        takes them off.
    UnknownIdError
        An id is not in the index.
    """
    names, top = id_list("forget", ids), path_of("folder", folder)
    if not top.is_dir():
        VectorIndex.load(top)  # says what is missing
    with hold(top):
        index = VectorIndex.load(top, device="cpu").remove(names).compact()
        index.save(top)
    deadline = monotonic() + patience
    while not settled(top):
        if monotonic() > deadline:
            raise DataError(f"{top}: an old generation with the {len(names)} items is still read after {patience} s")
        sleep(0.05)
    return index
