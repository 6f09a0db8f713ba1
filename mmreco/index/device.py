"""The GPU side of exact search: torch holds the vectors there, over several GPUs where one has not the room.

A GPU multiplies faster than it can choose: picking the best of millions of scores a query would cost more than the
product. So scores are compared in groups first. The groups whose best are greatest hold the best items, and only
these groups are opened.

Filters are applied by us, as FAISS' GPU indexes ignore them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmreco.arrays import F32, I64
from mmreco.errors import DataError
from mmreco.index.exact.scan import Scan
from mmreco.index.query import QueryBatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Place", "TorchScan", "choose"]

_SCORES = 1 << 28  # scores held at a time: 1 GB in float32
_QUERIES = 512  # queries multiplied together: more of them leave less of the items to choose among at a time
_ROOM = 4 << 30  # bytes of each GPU left to everything but the vectors
_SLACK_HALF = 64  # candidates beyond those asked for, as halves tell near neighbours less well apart
_HALF = 2.0**-11  # relative rounding of a half


@dataclass(frozen=True)
class Place:
    """Where vectors are.

    Parameters
    ----------
    devices : of torch, e.g. `("cuda:0", "cuda:1")`, each with as many of the vectors; empty for the CPU
    half : whether they are there in 16 bits a number
    """

    devices: tuple[str, ...] = ()
    half: bool = False

    @property
    def name(self) -> str:
        """ "cpu" or "cuda"."""
        return "cuda" if self.devices else "cpu"


def choose(device: str, n_bytes: int, *, half: bool = False) -> Place:
    """Where vectors of `n_bytes` are to be: on one GPU if it has room, over all of them, there in halves, on the CPU.

    Parameters
    ----------
    device : "auto", "cpu" or "cuda"
    n_bytes : of the vectors as float32
    half : whether halves are asked for

    Raises
    ------
    DataError
        `device` is none of these, or is "cuda" and torch sees no GPU, or none with the room.
    """
    if not isinstance(device, str) or device not in ("auto", "cpu", "cuda"):
        raise DataError(f"device={device!r}: expected 'auto', 'cpu' or 'cuda'")
    if device == "cpu":
        return Place()
    import torch  # heavy; only asked when a GPU may be used

    if not torch.cuda.is_available():
        if device == "cuda":
            raise DataError("device='cuda': torch sees no GPU; use device='auto' or 'cpu'")
        return Place()
    free = [max(0, torch.cuda.mem_get_info(number)[0] - _ROOM) for number in range(torch.cuda.device_count())]
    every = tuple(f"cuda:{number}" for number in range(len(free)))
    largest = int(np.argmax(free))
    for in_half in (half, True):
        needed = n_bytes // 2 if in_half else n_bytes
        if free[largest] >= needed:
            return Place((every[largest],), in_half)
        if min(free) * len(free) >= needed:
            return Place(every, in_half)
    if device == "cuda":
        raise DataError(
            f"device='cuda': {n_bytes / 1e9:.1f} GB of vectors, {sum(free) / 1e9:.1f} GB free on {len(free)} GPUs; "
            "free some, take device='auto' to fall back to the CPU, or fewer vectors"
        )
    return Place()


class TorchScan(Scan):
    """Exact inner-product search over `vectors`, shape `(n, dim)`, with a copy on torch devices.

    Parameters
    ----------
    vectors : shape `(n, dim)`, float32
    place : the devices; tests say "cpu"
    """

    def __init__(self, vectors: F32, place: Place) -> None:
        import torch

        super().__init__(vectors)
        self._half = place.half
        ends = np.linspace(0, len(vectors), len(place.devices) + 1, dtype=np.int64).tolist()
        self._parts: list[tuple[int, Tensor]] = []  # the first row of each, and its vectors
        for device, start, stop in zip(place.devices, ends[:-1], ends[1:], strict=True):
            own = vectors[start:stop]
            if place.half:  # halves overflow early: no vector is longer than 1
                own = (own / np.float32(self.longest or 1)).astype(np.float16)
            self._parts.append((start, torch.tensor(own, device=device)))

    @property
    def precision(self) -> float:
        """The relative rounding of one product: of float32, of TF32 where the caller has switched it on, of halves."""
        import torch

        if self._half:  # of vector, query and sum (twice), each at most so much of the lengths; `ordered` spreads it
            return float(3 * _HALF / np.sqrt(max(1, self.vectors.shape[1])))
        return 2.0**-23 if torch.get_float32_matmul_precision() == "highest" else 2.0**-9

    @property
    def slack(self) -> int:
        """Candidates worth fetching beyond those asked for."""
        return _SLACK_HALF if self._half else super().slack

    def best(self, batch: QueryBatch, k: int) -> I64:
        """Rows, shape `(b, k)`: the `k` best items of each query, in no order; -1 where there are fewer."""
        rows = [self._chosen(batch.between(start, start + _QUERIES), k) for start in range(0, len(batch), _QUERIES)]
        return np.concatenate(rows)

    def _chosen(self, batch: QueryBatch, k: int) -> I64:
        import torch

        queries = batch.queries
        if self._half:
            lengths = np.linalg.norm(queries, axis=1, keepdims=True)
            queries = np.divide(queries, lengths, out=np.zeros_like(queries), where=lengths > 0)
        lines, taken = batch.excluded.by_row()
        scores, rows = [], []
        for first, vectors in self._parts:  # nothing waits for a device before all have their work
            own = torch.tensor(queries, dtype=vectors.dtype, device=vectors.device)  # (b, dim)
            step = max(1, _SCORES // len(queries))
            for start in range(0, len(vectors), step):
                block = vectors[start : start + step]
                products = own @ block.T  # (b, c)
                begin, end = first + start, first + start + len(block)
                if batch.where is not None:
                    barred = torch.tensor(~batch.where[..., begin:end], device=vectors.device)  # (c,) or (b, c)
                    products.masked_fill_(barred, -torch.inf)
                lo, hi = np.searchsorted(taken, (begin, end))
                if hi > lo:
                    line = torch.tensor(lines[lo:hi], device=vectors.device)
                    products[line, torch.tensor(taken[lo:hi] - begin, device=vectors.device)] = -torch.inf
                best, places = _top(products, k)
                scores.append(best)
                rows.append(places + begin)
        home = self._parts[0][1].device
        all_scores = torch.cat([part.to(home) for part in scores], dim=1)
        best, chosen = all_scores.topk(min(k, all_scores.shape[1]), dim=1, sorted=False)
        names = torch.cat([part.to(home) for part in rows], dim=1).gather(1, chosen)
        names[best == -torch.inf] = -1
        answer = np.full((len(queries), k), -1, dtype=np.int64)
        answer[:, : names.shape[1]] = names.cpu().numpy()
        return answer


def _top(scores: "Tensor", k: int) -> "tuple[Tensor, Tensor]":
    """The `k` greatest of each line of scores `(b, c)` and their columns, in no order; fewer where `c` is less."""
    import torch

    lines, columns = scores.shape
    group = 1 << max(5, int((columns / k) ** 0.5).bit_length() - 1)  # both stages then cost the same
    groups = columns // group
    if groups < 4 * k:
        best = scores.topk(min(k, columns), dim=1, sorted=False)
        return best.values, best.indices
    grouped = scores[:, : groups * group].view(lines, groups, group)  # (b, groups, group)
    opened = grouped.amax(dim=2).topk(k, dim=1, sorted=False).indices  # (b, k): k items reach the least of their bests
    inside = torch.arange(group, device=scores.device)
    rest = torch.arange(groups * group, columns, device=scores.device).expand(lines, -1)
    places = torch.cat([(opened[:, :, None] * group + inside).flatten(1), rest], dim=1)
    best = scores.gather(1, places).topk(k, dim=1, sorted=False)
    return best.values, places.gather(1, best.indices)
