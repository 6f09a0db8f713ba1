"""CrossEncoder: a model that reads query and document together and says how well they fit.

Nogueira, Cho, "Passage re-ranking with BERT", 2019. Slower than comparing vectors by a factor of the number of
documents read, so it is asked about the first few alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.arrays import F32, require_finite
from mmreco.encoders.text.backends import BACKENDS, narrowed
from mmreco.encoders.text.model_folder import view_of
from mmreco.encoders.text.sources import LOADING, locate, quiet
from mmreco.encoders.text.texts import bounded, require_texts
from mmreco.encoders.text.weights import require_weights
from mmreco.errors import DataError

__all__ = ["CrossEncoder"]

_CHARACTERS = 64  # a token has fewer on average


class CrossEncoder:
    """How well documents answer a query, by a model that reads query and document together.

    Parameters
    ----------
    name_or_path : a folder, or a name on the hub as "owner/model"
        E.g. "cross-encoder/ms-marco-MiniLM-L12-v2". Only safetensors are read and no code of the model's is run.
    device : "auto", "cpu", "cuda" ..., optional
    max_length : 1 or more, optional
        Tokens of query and document together; what is beyond is cut.
    backend : "torch", "bfloat16" or "int8", optional
        As in `TextEncoder`: int8 is about twice as fast on a CPU that multiplies it.

    Raises
    ------
    DataError
        The folder is missing, damaged or hostile, the hub has no such model, the device is not there, or an option
        is out of range.

    Examples
    --------
    >>> reader = CrossEncoder("cross-encoder/ms-marco-MiniLM-L12-v2")  # doctest: +SKIP
    >>> reader.score(["red dress"], [["Red floral dress", "Blue hat"]])  # doctest: +SKIP
    [array([ 8.1, -9.7], dtype=float32)]
    """

    def __init__(
        self, name_or_path: str | Path, *, device: str = "auto", max_length: int = 96, backend: str = "torch"
    ) -> None:
        if backend not in BACKENDS:
            raise DataError(f"CrossEncoder: backend={backend!r}; expected one of {', '.join(BACKENDS)}")
        if max_length < 1:
            raise DataError(f"CrossEncoder: max_length={max_length}; expected 1 or more")
        self._name, folder = locate(name_or_path)
        self._model, self._max_length = _loaded(folder, device, max_length), max_length
        if backend == "int8" and self._model.device.type != "cpu":
            raise DataError("CrossEncoder: backend='int8' is for the CPU; give device='cpu', or leave backend out")
        if backend != "torch":
            narrowed(self._model.model, backend)

    @property
    def name(self) -> str:
        """What was asked for: an absolute path, or the hub's name."""
        return self._name

    def __repr__(self) -> str:
        return f"CrossEncoder({self._name!r}, device={str(self._model.device)!r})"

    def score(self, queries: Sequence[str], documents: Sequence[Sequence[str]], *, batch_size: int = 32) -> list[F32]:
        """How well each document answers its query: one array a query, larger is better, without bounds.

        Parameters
        ----------
        queries : `n` texts
        documents : `n` lists of texts
        batch_size : 1 or more, optional
            Pairs that go through the model together; pairs of like length are put together.

        Raises
        ------
        DataError
            There are not as many lists as queries, or the model gives NaN or infinity.
        """
        import torch

        if len(queries) != len(documents):
            raise DataError(f"{len(queries)} queries and {len(documents)} lists of documents; expected as many")
        longest = _CHARACTERS * self._max_length
        pairs = [
            (bounded(query, longest), bounded(text, longest))
            for query, texts in zip(require_texts(queries), documents, strict=True)
            for text in require_texts(texts)
        ]
        if not pairs:
            return [np.zeros(0, dtype=np.float32) for _ in queries]
        scores: F32 = np.asarray(
            self._model.predict(
                pairs, batch_size=batch_size, show_progress_bar=False, activation_fn=torch.nn.Identity()
            ),
            dtype=np.float32,
        )
        if scores.ndim == 2:  # a model of several classes: the last is the best
            scores = np.ascontiguousarray(scores[:, -1])
        require_finite(scores[:, None], f"CrossEncoder {self._name}: scores")
        return list(np.split(scores, np.cumsum([len(texts) for texts in documents])[:-1]))


def _loaded(folder: Path, device: str, max_length: int) -> Any:
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder as Model

    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if where.startswith("cuda") and not torch.cuda.is_available():
        raise DataError(f"CrossEncoder: device={device!r}, but torch sees no GPU; use 'auto' or 'cpu'")
    try:
        with quiet(), view_of(folder, classifies=True) as view:
            require_weights(folder, view, classifies=True)
            return Model(
                str(view.folder),
                device=where,
                max_length=max_length,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
    except DataError:
        raise
    except (*LOADING, SafetensorError, StrictDataclassError) as error:
        reason = str(error).strip().splitlines()
        raise DataError(
            f"{folder}: cannot be loaded as a cross-encoder on {where!r} ({type(error).__name__}: "
            f"{reason[0][:200] if reason else 'no reason'})"
        ) from error
