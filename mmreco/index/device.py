"""The GPU side of exact search: torch holds the vectors there, and filters are applied by us."""

import numpy as np

from mmreco.arrays import F32, I64, Bool
from mmreco.errors import DataError
from mmreco.index.question import Excluded, Question

__all__ = ["TorchScan", "choose"]

_SCORES = 1 << 28  # scores held at a time: 1 GB
_QUERIES = 4_096  # queries multiplied together
_ROOM = 4 << 30  # bytes of the GPU left to everything but the vectors


def choose(device: str, n_bytes: int) -> str:
    """ "cpu" or "cuda", whichever `device` means here for vectors of `n_bytes`.

    Raises
    ------
    DataError
        `device` is none of "auto", "cpu" and "cuda", or is "cuda" and torch sees no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise DataError(f"device={device!r}: expected 'auto', 'cpu' or 'cuda'")
    if device == "cpu":
        return "cpu"
    import torch  # heavy; only asked when a GPU may be used

    if not torch.cuda.is_available():
        if device == "cuda":
            raise DataError("device='cuda': torch sees no GPU; use device='auto' or 'cpu'")
        return "cpu"
    if device == "auto" and torch.cuda.mem_get_info()[0] < n_bytes + _ROOM:
        return "cpu"
    return "cuda"


class TorchScan:
    """Exact inner-product search over `vectors`, shape `(n, dim)`, kept on a torch device."""

    def __init__(self, vectors: F32, device: str) -> None:
        import torch

        self._device = device
        self._vectors = torch.tensor(vectors, device=device)  # (n, dim)

    @property
    def precision(self) -> float:
        """The relative rounding of one product: that of float32, or of TF32 where the caller has switched it on."""
        import torch

        return 2.0**-23 if torch.get_float32_matmul_precision() == "highest" else 2.0**-9

    def best(self, asked: Question, k: int) -> I64:
        """The rows, shape `(b, k)`, of the `k` best items of each query, in no order; -1 where there are fewer."""
        parts = []
        for start in range(0, len(asked), _QUERIES):
            stop = start + _QUERIES
            barred = asked.excluded.between(start, stop).by_row()
            parts.append(self._best(asked.queries[start:stop], k, asked.where, barred))
        return np.concatenate(parts)

    def _best(self, queries: F32, k: int, where: Bool | None, excluded: Excluded) -> I64:
        import torch

        vectors = self._vectors
        asked = torch.tensor(queries, device=self._device)  # (b, dim)
        barred = None if where is None else torch.tensor(~where, device=self._device)  # (n,)
        best_scores = torch.full((len(queries), k), -torch.inf, device=self._device)
        best_rows = torch.full((len(queries), k), -1, dtype=torch.int64, device=self._device)
        step = max(1, _SCORES // len(queries))
        for start in range(0, len(vectors), step):
            stop = min(start + step, len(vectors))
            found = asked @ vectors[start:stop].T  # (b, c)
            if barred is not None:
                found.masked_fill_(barred[start:stop], -torch.inf)
            lo, hi = np.searchsorted(excluded.rows, (start, stop))
            if hi > lo:
                lines = torch.tensor(excluded.queries[lo:hi], device=self._device)
                found[lines, torch.tensor(excluded.rows[lo:hi] - start, device=self._device)] = -torch.inf
            scores, rows = found.topk(min(k, stop - start), dim=1, sorted=False)
            best_scores, chosen = torch.cat([best_scores, scores], dim=1).topk(k, dim=1, sorted=False)
            best_rows = torch.cat([best_rows, rows + start], dim=1).gather(1, chosen)
        best_rows[best_scores == -torch.inf] = -1
        return np.asarray(best_rows.cpu().numpy(), dtype=np.int64)
