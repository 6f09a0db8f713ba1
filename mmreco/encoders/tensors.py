"""What a safetensors file holds, from its header alone: names and shapes, before anything of that size is made.

The format: eight bytes with the length of a JSON header, the header, the numbers (safetensors, Hugging Face, 2022).
"""

import json
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

from mmreco.errors import DataError

__all__ = ["Shapes", "headers", "require_same"]

Shapes = dict[str, tuple[int, ...]]

_LARGEST: Final = 32 << 20  # bytes of a header
_MOST: Final = 100_000  # tensors
_WHOLE: Final = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64")
_BITS: Final = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64"), 64),
}


def headers(paths: Iterable[Path]) -> Shapes:
    """The shape of each tensor in these files, by name.

    Raises
    ------
    DataError
        A file is damaged, declares more than it holds, or a name comes twice.
    """
    shapes: Shapes = {}
    for path in paths:
        for name, shape in _header(path).items():
            if name in shapes:
                raise DataError(f"{path}: tensor {name!r:.80} comes twice; expected one file or another with it")
            shapes[name] = shape
    return shapes


def require_same(where: Path, held: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Nothing where the tensors are those expected.

    Raises
    ------
    DataError
        One is missing, unexpected or of another shape; how many are, and the first, are named.
    """
    missing = [name for name in expected if name not in held]
    unexpected = [name for name in held if name not in expected]
    shaped = [name for name in expected if name in held and held[name] != expected[name]]
    for names, problem in ((missing, "missing"), (unexpected, "unexpected"), (shaped, "of another shape")):
        if names:
            first = names[0]
            shapes = f" {held[first]}, expected {expected[first]}" if problem == "of another shape" else ""
            raise DataError(
                f"{where}: {len(names)} weights {problem}, first {first!r:.120}{shapes}; "
                "cannot be loaded as the model its settings describe; bring the file that belongs to them"
            )


def _header(path: Path) -> Shapes:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LARGEST):
            raise DataError(f"{path}: cannot be loaded, damaged or no safetensors ({size:,} bytes, header {length:,})")
        try:
            header: Any = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: cannot be loaded, damaged or no safetensors ({type(error).__name__})") from error
    if not isinstance(header, dict) or len(header) > _MOST:
        raise DataError(f"{path}: cannot be loaded, its header is not a list of at most {_MOST:,} tensors")
    header.pop("__metadata__", None)
    shapes = {name: _shape(path, name, tensor) for name, tensor in header.items()}
    whole = [name for name in shapes if name.endswith((".weight", ".bias")) and header[name]["dtype"] in _WHOLE]
    if whole:
        raise DataError(
            f"{path}: cannot be loaded, {len(whole)} weights are whole numbers, first {whole[0]!r:.80} "
            f"({header[whole[0]]['dtype']}); expected fractions"
        )
    held = sum(tensor["data_offsets"][1] - tensor["data_offsets"][0] for tensor in header.values())
    if held != size - 8 - length:
        raise DataError(f"{path}: cannot be loaded, {size - 8 - length:,} bytes of numbers; its header says {held:,}")
    return shapes


def _shape(path: Path, name: str, tensor: Any) -> tuple[int, ...]:
    try:
        bits, shape, (start, end) = _BITS[tensor["dtype"]], tensor["shape"], tensor["data_offsets"]
        sound = all(type(side) is int and 0 <= side < 1 << 40 for side in (*shape, start, end)) and len(shape) <= 8
        if sound and (end - start) * 8 == bits * prod(shape):
            return tuple(shape)
    except (KeyError, TypeError, ValueError):
        pass
    raise DataError(f"{path}: cannot be loaded, tensor {name!r:.80} is not as large as it says")
