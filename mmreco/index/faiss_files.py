"""A structure of FAISS from a file: read within the file's size, and checked before it is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from mmreco.errors import DataError, IncompatibleError
from mmreco.index.faiss_checks import UnsoundError, checkable, require_sound
from mmreco.index.faiss_kinds import holds_known_kinds
from mmreco.index.faiss_training import reason, within

__all__ = ["read_index"]

_LIMIT = 2  # a vector of FAISS' file may claim so many times the file's bytes (neighbours are counted after it)
_LOOPS = 1 << 24  # rounds of any loop that a file asks FAISS for
_READING = Lock()


def read_index(faiss: Any, path: Path, shape: tuple[int, int]) -> Any:
    """The index in a file, over vectors of this shape, memory-mapped where FAISS can.

    None where it is of a kind that is not read, or whose numbers cannot be checked.

    Raises
    ------
    DataError
        The file is not a FAISS index, claims more memory than its size allows, or contradicts itself.
    IncompatibleError
        It is an index of another size or width.
    """
    if not holds_known_kinds(path):
        return None
    with _limited(faiss, path.stat().st_size):
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise DataError(f"{path}: not a FAISS index ({reason(error)}); build the index again") from error
    if (index.ntotal, index.d) != shape or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise IncompatibleError(
            f"{path}: {type(within(faiss, index)).__name__} of {index.ntotal} x {index.d}; "
            f"expected inner products over {shape[0]} x {shape[1]}"
        )
    if not checkable(faiss, index):
        return None
    try:
        require_sound(faiss, index, *shape)
    except UnsoundError as error:
        raise DataError(f"{path}: {error}; build the index again") from error
    return index


@contextmanager
def _limited(faiss: Any, size: int) -> Iterator[None]:
    """FAISS reads a file of `size` bytes: no vector in it may claim more than the file could fill."""
    with _READING:  # the limits are the process's
        before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
        faiss.set_deserialization_vector_byte_limit(max(1 << 20, _LIMIT * size))
        faiss.set_deserialization_loop_limit(_LOOPS)
        try:
            yield
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])
